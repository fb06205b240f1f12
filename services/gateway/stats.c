/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/stats.h"

stats_t stats_declare(metrics_t *metrics)
{
    return (stats_t){
        .requests = metrics_declare(metrics, METRIC_COUNTER, "mykey_gateway_requests_total", "Requests answered.",
                                    "method,code"),
        .duration = metrics_declare(metrics, METRIC_HISTOGRAM, "mykey_gateway_request_duration_seconds",
                                    "From the first byte of a request to its answer.", "method"),
        .challenges_issued = metrics_declare(metrics, METRIC_COUNTER, "mykey_gateway_challenges_issued_total",
                                             "Challenges issued.", "purpose"),
        .challenges_taken =
            metrics_declare(metrics, METRIC_COUNTER, "mykey_gateway_challenges_taken_total",
                            "Challenges that a tap named: redeemed (OK), gone, expired, another's.", "result"),
        .taps = metrics_declare(metrics, METRIC_COUNTER, "mykey_gateway_taps_total",
                                "Taps whose challenge was redeemed, by what came of them.", "purpose,code"),
        .admission_refused = metrics_declare(metrics, METRIC_COUNTER, "mykey_gateway_admission_refused_total",
                                             "Requests answered BUSY before any work.", "reason"),
        .terminal_lookups = metrics_declare(metrics, METRIC_COUNTER, "mykey_gateway_terminal_lookups_total",
                                            "Questions to the registry which terminal a certificate is.", "code"),
        .edge_refused = metrics_declare(metrics, METRIC_COUNTER, "mykey_gateway_edge_refused_total",
                                        "Requests without the edge's secret.", ""),
        .challenges_open = metrics_declare(metrics, METRIC_GAUGE, "mykey_gateway_challenges_open",
                                           "Challenges that can still be redeemed.", ""),
        .outstanding =
            metrics_declare(metrics, METRIC_GAUGE, "mykey_gateway_requests_open", "Requests being answered.", ""),
        .terminals = metrics_declare(metrics, METRIC_GAUGE, "mykey_gateway_terminals", "Terminals remembered.", ""),
    };
}
