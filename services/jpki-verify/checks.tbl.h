/* SPDX-License-Identifier: Apache-2.0
 *
 * Every check of a tap, in the order in which they run: X(id, CODE, "what it demands", "why").
 * The first that doesn't hold is the answer: its code, and its id as the detail. So a stranger's certificate is
 * untrusted before it is expired, an expired one is expired before it is revoked, and the signature comes last.
 *
 * REQUEST rows run beside the bus, CERTIFICATE rows in the sandboxed parser.
 */
/* clang-format off */
#define CHECK_REQUEST_TABLE(X) \
	X(statement,         BAD_REQUEST,          "every field of the statement present and in range", "docs/tap.md") \
	X(consumer,          DENIED,               "a ticket key for the consumer", "docs/tap.md, ticket") \
	X(environment,       CHALLENGE_MISMATCH,   "the statement is for this environment", "a signature for a test stack opens nothing here") \
	X(assurance,         PRESENCE_UNAVAILABLE, "a tap with PIN", "a certificate alone proves nothing: it is freely copied") \
	X(expiry,            CHALLENGE_EXPIRED,    "the challenge has not ended and has not begun in the future", "docs/tap.md, life of a challenge") \
	X(size,              CERT_MALFORMED,       "a certificate of 1 to 8192 octets", "real ones have about 1,300") \
	X(signature_size,    SIGNATURE_INVALID,    "a signature of 1 to 512 octets", "RSA-2048 has 256") \
	X(parser,            CERT_MALFORMED,       "the parser survives it, twice", "one certificate must not stop the others")

#define CHECK_CERTIFICATE_TABLE(X) \
	X(der,               CERT_MALFORMED,       "strict DER in every part that is read", "RFC 5280; no two readings of one certificate") \
	X(single,            CERT_MALFORMED,       "one certificate and nothing after it", "the card pads with FF, the agent cuts") \
	X(extensions_unique, CERT_MALFORMED,       "no extension twice", "RFC 5280 4.2") \
	X(algorithms_agree,  CERT_MALFORMED,       "the same algorithm inside and outside the signature", "RFC 5280 4.1.1.2") \
	X(version,           CERT_PROFILE,         "version 3", "JPKI profile") \
	X(algorithm,         CERT_PROFILE,         "the profile's signature algorithm, sha256WithRSAEncryption", "JPKI profile") \
	X(issuer,            CERT_UNTRUSTED,       "the name of a pinned root for authentication", "the signature roots are not among them") \
	X(authority_key,     CERT_UNTRUSTED,       "the key id of one of the roots of that name", "several generations share a name") \
	X(issuer_validity,   CERT_UNTRUSTED,       "now within that root's validity", "RFC 5280 6.1") \
	X(issuer_signature,  CERT_UNTRUSTED,       "signed by that root's pinned key, never by a CA from the card", "a root of one's own can bear any name") \
	X(not_before,        CERT_NOT_YET_VALID,   "notBefore has passed", "RFC 5280 6.1") \
	X(not_after,         CERT_EXPIRED,         "notAfter has not passed", "RFC 5280 6.1") \
	X(critical,          CERT_PROFILE,         "no critical extension that is unknown", "RFC 5280 4.2") \
	X(ca_extensions,     CERT_PROFILE,         "no extension that only authorities, proxies or routers have", "JPKI profile") \
	X(constraints,       CERT_PROFILE,         "CA:FALSE, no path length", "OpenSSL accepts a CA as a leaf") \
	X(key_usage,         CERT_PROFILE,         "digitalSignature and nothing else", "nonRepudiation marks the other certificate") \
	X(extended_usage,    CERT_PROFILE,         "clientAuth among the extended usages where there are any", "JPKI profile") \
	X(policy,            CERT_PROFILE,         "one policy: user authentication", "1.2.392.200149.8.5.1.3.30") \
	X(serial,            CERT_PROFILE,         "a serial from 1 to 2^32-1", "serials have four octets; the index is made for these") \
	X(key_type,          CERT_PROFILE,         "an RSA key", "JPKI profile") \
	X(key_size,          CERT_PROFILE,         "2048 bits, positive, odd", "JPKI profile") \
	X(key_exponent,      CERT_PROFILE,         "65537", "JPKI profile") \
	X(distribution_point, CERT_PROFILE,        "at most one distribution point with one name", "JPKI profile; its list is found by it") \
	X(revocation,        REVOCATION_STALE,     "a list of that root for its distribution point or for all, between thisUpdate and nextUpdate", "not knowing is refusing") \
	X(revoked,           CERT_REVOKED,         "the serial is not in it; hold counts", "a hold is never lifted") \
	X(signature,         SIGNATURE_INVALID,    "the key's signature of the statement that the server rebuilt", "docs/tap.md")
/* clang-format on */
