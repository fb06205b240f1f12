# SPDX-License-Identifier: Apache-2.0
"""The demo's operators, cards and links: the seed document's own table (S-041's figure)."""

TERMS_JA = ("この窓口の利用番号をマイキーIDに結び付けます。保存するもの：この窓口の利用番号、同意した日。"
            "保存しないもの：マイナンバー、氏名・住所、貸出や購入の履歴。いつでも解除できます。")
TERMS_EN = ("Your number at this counter is linked to your MyKey ID. Kept: this counter's number, the day you agreed. "
            "Not kept: My Number, name or address, loans or purchases. You can undo it at any time.")
PLATFORM_TERMS_VERSION = "1"
PLATFORM_TERMS_JA = ("マイキーIDは希望する方が自分で作る番号です。12桁のマイナンバーは使いません。保存するもの：電子証明書の識別子"
                     "（変換した値）、マイキーID、登録した利用番号。いつでも変更・削除できます。")
PLATFORM_TERMS_EN = ("A MyKey ID is a number that you create if you wish. The 12-digit My Number is not used. Kept: an identifier "
                     "of the certificate (transformed), the MyKey ID, the numbers you register. You can change or delete it at any time.")

# operator id: kind, Japanese name, English name, symbology, municipality code
OPERATORS = {
    "A1": ("library", "A1図書館", "A1 Library", "nw7", ""),
    "B1": ("library", "B1図書館", "B1 Library", "nw7", ""),
    "C1": ("museum", "C1美術館", "C1 Museum", "code39", ""),
    "D1": ("sports", "D1スポーツセンター", "D1 Sports Centre", "nw7", ""),
    "M131164": ("municipality", "豊島区", "Toshima City", "nw7", "131164"),
}

# card: MyKey ID, links. Cards that are not named here have no MyKey ID.
HOLDERS = {
    "card-1": ("MY123456", {"A1": "789", "B1": "2342", "C1": "873"}),
    "card-2": ("MY654321", {"A1": "2231", "D1": "4562"}),
    "card-3": ("MY246135", {"C1": "086"}),
}
