/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ops/http_loop.h"
