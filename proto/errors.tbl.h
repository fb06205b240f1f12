/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of errors. A row is
 *   X(NAME, number, retryable, http, "English text", "日本語の文")
 * NAME becomes MK_NAME in C (common/base/code.h). The number travels on the bus and in HTTP error bodies;
 * a number is never reused. "retryable" says that the same request may be sent again as it is.
 * The texts are for people: what is wrong and who can fix it.
 */
/* clang-format off */
#define MK_ERROR_TABLE(X) \
	/* the bus */ \
	X(OK,                    0, 0, 200, "Done.", "完了しました。") \
	X(BUSY,                  1, 1, 503, "The service is busy. Try again shortly.", "混み合っています。少し待ってからもう一度お試しください。") \
	X(NO_WORKERS,            2, 1, 503, "No service is running for this request. The platform operator has to see to it.", "現在このサービスは動いていません。運用担当が対応します。") \
	X(DEADLINE_EXCEEDED,     3, 1, 504, "The answer took too long.", "時間内に応答がありませんでした。") \
	X(DENIED,                4, 0, 403, "This caller may not do that.", "この操作は許可されていません。") \
	X(BAD_REQUEST,           5, 0, 400, "The request is malformed.", "要求の形式が正しくありません。") \
	X(TOO_LARGE,             6, 0, 413, "The request is too large.", "要求が大きすぎます。") \
	X(UNAVAILABLE,           7, 1, 503, "The service can't be reached.", "サービスに接続できません。") \
	X(INTERNAL,              8, 0, 500, "An error inside the platform. Tell the platform operator the incident number.", "内部エラーです。受付番号を運用担当へお知らせください。") \
	X(CONFLICT,              9, 0, 409, "The same request id was used for a different request.", "同じ要求番号が別の内容で使われました。") \
	X(CANCELLED,            10, 0, 499, "The request was cancelled.", "要求は取り消されました。") \
	X(NOT_OWNER,            11, 1, 503, "Another instance owns this shard.", "別の処理系が担当しています。") \
	X(UNKNOWN_METHOD,       12, 0, 404, "No such method.", "その機能はありません。") \
	X(NOT_FOUND,            13, 0, 404, "Not found.", "見つかりません。") \
	/* challenge and ticket */ \
	X(CHALLENGE_GONE,       30, 1, 409, "The challenge is no longer known. Sign a new one.", "確認用の番号が無効になりました。もう一度署名します。") \
	X(CHALLENGE_EXPIRED,    31, 1, 409, "The challenge has expired. Sign a new one.", "確認用の番号の期限が切れました。もう一度署名します。") \
	X(CHALLENGE_MISMATCH,   32, 0, 403, "The challenge was issued for another terminal, purpose or agreement.", "確認用の番号が別の端末・目的・内容のものです。") \
	X(TICKET_INVALID,       33, 0, 403, "The tap ticket is not valid.", "認証票が正しくありません。") \
	X(TICKET_EXPIRED,       34, 1, 403, "The tap ticket has expired.", "認証票の期限が切れました。") \
	X(TICKET_CONSUMER,      35, 0, 403, "The tap ticket is for another service.", "認証票の宛先が違います。") \
	X(PRESENCE_UNAVAILABLE, 36, 0, 501, "A tap without PIN is not offered.", "暗証番号なしの利用には対応していません。") \
	/* certificate verification */ \
	X(CERT_MALFORMED,       50, 0, 422, "The certificate can't be read.", "電子証明書を読み取れません。") \
	X(CERT_UNTRUSTED,       51, 0, 422, "The certificate was not issued by JPKI. The card can't be used.", "公的個人認証サービスが発行した電子証明書ではありません。このカードは使えません。") \
	X(CERT_PROFILE,         52, 0, 422, "This is not a certificate for user authentication.", "利用者証明用電子証明書ではありません。") \
	X(CERT_EXPIRED,         53, 0, 422, "The certificate on the card has expired. The municipal office renews it.", "電子証明書の有効期限が切れています。お住まいの市区町村の窓口で更新できます。") \
	X(CERT_NOT_YET_VALID,   54, 0, 422, "The certificate is not valid yet.", "電子証明書の有効期間がまだ始まっていません。") \
	X(CERT_REVOKED,         55, 0, 422, "The certificate on the card has been revoked. Ask the municipal office.", "このカードの電子証明書は失効しています。お住まいの市区町村の窓口へお尋ねください。") \
	X(REVOCATION_STALE,     56, 1, 503, "Revocation can't be checked now, so no card is accepted. The platform operator has to see to it.", "失効の確認ができないため、今はカードを受け付けられません。運用担当が対応します。") \
	X(SIGNATURE_INVALID,    57, 0, 422, "The card's signature is not valid.", "カードの署名を確認できません。") \
	/* registry */ \
	X(NO_MYKEY_ID,          70, 0, 404, "This card has no MyKey ID yet.", "このカードのマイキーIDはまだありません。") \
	X(ALREADY_HAS_ID,       71, 0, 409, "This card already has a MyKey ID.", "このカードのマイキーIDはすでにあります。") \
	X(ID_SUSPENDED,         72, 0, 423, "This MyKey ID is suspended. The holder can resume it at a municipal counter.", "このマイキーIDは一時停止中です。市区町村の窓口で再開できます。") \
	X(NOT_LINKED,           73, 0, 404, "Not registered here.", "ここでは未登録です。") \
	X(NUMBER_TAKEN,         74, 0, 409, "This number can't be registered with this card. Ask the counter.", "この番号はこのカードに登録できません。窓口へお尋ねください。") \
	X(NUMBER_INVALID,       75, 0, 422, "This is not a number of this operator. Check the number on the existing card.", "この事業者の番号として正しくありません。今お使いのカードの番号をお確かめください。") \
	X(STAFF_REQUIRED,       76, 0, 403, "Staff must scan the existing card and confirm first.", "先に職員が現在の利用カードを読み取って確認する必要があります。") \
	X(TERMS_OUTDATED,       77, 0, 409, "The terms have changed. Read and accept the present ones.", "規約が変わりました。新しい規約をご確認ください。") \
	X(LINK_LOCKED,          78, 0, 429, "Registration is locked for this card until tomorrow after several refusals.", "登録できない状態が続いたため、このカードの登録は明日まで停止しています。") \
	X(SUSPEND_CODE_WRONG,   79, 0, 422, "The suspension code is not known.", "停止コードが正しくありません。") \
	X(SUSPEND_LOCKED,       83, 0, 429, "Suspending by code is closed at this terminal until the next full hour after five wrong codes. Use another terminal.", "停止コードの誤りが5回続いたため、この端末での一時停止は次の正時まで受け付けません。別の端末をお使いください。") \
	X(OPERATOR_UNKNOWN,     80, 0, 404, "No such operator.", "その事業者は登録されていません。") \
	X(OPERATOR_KIND,        81, 0, 403, "This operator's counters can't do that.", "この事業者の窓口では行えません。") \
	X(REASON_INVALID,       82, 0, 422, "The reason code is not known.", "理由コードが正しくありません。") \
	/* terminals */ \
	X(TERMINAL_UNKNOWN,     90, 0, 401, "This terminal is not enrolled.", "この端末は登録されていません。") \
	X(TERMINAL_REVOKED,     91, 0, 403, "This terminal has been disabled. Ask the administrator.", "この端末は停止されています。管理者へお尋ねください。") \
	X(INVITE_INVALID,       92, 0, 403, "The invite code is wrong, used or expired. Ask for a new one.", "招待コードが誤っているか、使用済みか、期限切れです。新しいコードを求めてください。") \
	X(ENROL_PENDING,        93, 1, 202, "The terminal authority has not signed the request yet.", "端末認証局の発行を待っています。") \
	X(ROLE_MISMATCH,        94, 0, 403, "A certificate of this role can't be used here.", "この種類の証明書はここでは使えません。") \
	X(CLOCK_WRONG,          95, 0, 409, "This terminal's clock is wrong. Staff: set the clock.", "端末の時計が合っていません。職員が時計を直してください。")
/* clang-format on */
