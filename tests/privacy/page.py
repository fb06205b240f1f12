#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make privacy: runs the checks behind each promise and prints them as a page. Exit status 0 only if all promises held."""

import collections
import datetime
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unicodedata
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STACK, WORDS, LOGS, PIN = (f"tests/privacy/test_{name}.py::" for name in ("stack", "words", "log_schema", "pin"))
REGISTRY, FAULTS, SCHEMA = (f"tests/integration/test_registry{name}.py::" for name in ("", "_faults", "_schema"))
BROWSER = "tests/browser/test_page.py::"

Promise = collections.namedtuple("Promise", "ja en how_ja how_en tests")

PROMISES = (
    Promise("氏名・住所・生年月日・マイナンバーを読みません。", "Your name, address, birth date and My Number are not read.",
            "試験用カードに届いた命令をすべて数え、許可した命令の表と照らしました。", "All commands that reached the test cards, against the list of those allowed.",
            [STACK + "test_only_the_authentication_part_of_a_card_is_asked_for",
             STACK + "test_a_program_that_asked_for_more_would_be_seen", REGISTRY + "test_a_my_number_is_never_taken_in"]),
    Promise("カードの中のその他の情報は、どこにも残りません。", "Nothing else that is on the card is left anywhere.",
            "目印となる氏名・住所・生年月日・12桁の番号を入れたカードを使い、そのあとディスク・通信・メモリー・ブラウザーを探しました。",
            "A card with a marked name, address, birth date and 12-digit number was used; then disk, network, memory and browser were searched.",
            [STACK + name for name in ("test_nothing_of_the_cards_other_contents_is_on_disk",
                                       "test_nothing_of_the_card_is_on_the_network_in_clear",
                                       "test_nothing_of_the_card_is_in_memory_where_a_core_file_could_take_it",
                                       "test_no_core_file_is_written", "test_the_browser_keeps_nothing")]),
    Promise("決めた項目のほかは保存しません。氏名・貸出・購入などの項目はありません。",
            "Nothing is kept but what is listed; there is no place for names, loans or purchases.",
            "データベースの列と通信の項目を、公開の一覧 docs/data-dictionary.csv と一つずつ照らしました。",
            "Every column of the database and every field of a message, against the public list docs/data-dictionary.csv.",
            [SCHEMA + "test_schema_equals_the_data_dictionary", SCHEMA + "test_free_forms_are_only_where_they_are_listed",
             *(WORDS + name for name in ("test_messages_equal_the_data_dictionary", "test_every_row_says_why_and_how_long",
                                         "test_no_name_has_a_banned_word", "test_every_exception_has_a_reason",
                                         "test_no_column_can_take_anything"))]),
    Promise("だれが来たかを残しません。", "Nobody can tell afterwards who came.",
            "二人が50回ずつカードをかざし、前後の全データと記録を比べました。", "Two holders tapped fifty times each; all data and logs before and after were compared.",
            [STACK + "test_a_hundred_taps_leave_nothing_that_tells_who_came"]),
    Promise("動作の記録に個人の情報を書きません。", "Logs say nothing of a person.",
            "すべての行を、許可した項目の表と照らし、ID・番号・証明書の値を探しました。",
            "Every line against the list of allowed fields, and a search for IDs, numbers and values of certificates.",
            [STACK + "test_every_log_line_keeps_to_its_form", STACK + "test_no_log_line_and_no_metric_names_a_person",
             LOGS + "test_a_bad_line_is_refused"]),
    Promise("IDを削除すると、本人につながるものは残りません。控えを戻しても戻りません。",
            "When you delete your ID, nothing is left that leads to you; a restored backup does not bring it back.",
            "作成・登録・利用・削除のあと全データを探し、削除前の控えを戻して確かめました。",
            "An ID was created, linked, used and deleted; all data were searched, and a backup from before was restored.",
            [STACK + "test_a_deleted_id_leaves_nothing_that_leads_to_the_person",
             FAULTS + "test_deletion_leaves_nothing_that_leads_to_the_person", FAULTS + "test_a_restored_backup_brings_nobody_back"]),
    Promise("ある窓口は、ほかの窓口の番号を知ることができません。", "A counter cannot learn your numbers at other counters.",
            "二つの窓口が受け取る値を比べ、当てずっぽうの番号を1万回ずつ試し、返答と所要時間を比べました。",
            "What two counters receive was compared; 10,000 guesses each were made and their answers and times compared.",
            [STACK + "test_two_operators_cannot_join_what_they_see", STACK + "test_guessing_another_operators_numbers_tells_nothing",
             STACK + "test_guessing_suspension_codes_tells_nothing"]),
    Promise("暗証番号は、カードに一度渡したあと、どこにも残りません。", "Your PIN goes to the card once; after that it is nowhere.",
            "実物の端末プログラムとブラウザーで入力し、メモリー・記録・書き出しファイルを探しました。故障や切断を起こし、カードが受け取った回数を数えました。",
            "It was typed at the real terminal program in a real browser; then memory, logs and core files were searched. Faults and lost "
            "connections were caused, and the times counted that the card received it.",
            [PIN + name for name in ("test_no_pin_is_in_memory_after_use", "test_the_pins_page_is_locked_and_left_out_of_core_files",
                                     "test_no_core_file_even_where_one_is_asked_for", "test_no_log_has_a_pin_or_its_keys",
                                     "test_one_verify_for_each_entry")]
            + [STACK + "test_no_pin_is_on_the_network"]),
    Promise("暗証番号は利用者側の画面だけ、職員の操作は職員側の画面だけにあります。",
            "The PIN is entered on the resident's side only; staff actions are on the staff side only.",
            "実物のブラウザーで両側の画面を調べました。", "Both sides were looked at in a real browser.",
            [BROWSER + "test_the_staff_side_has_no_secret_of_the_resident", BROWSER + "test_each_side_holds_only_its_own_actions"]),
)

NOT_SHOWN = (
    ("窓口の端末は、だれかがカードをかざした時刻を記録します。だれかは分かりません。",
     "A counter's log says at what time somebody tapped a card, not who."),
    ("削除した直後は、データベースの内部の書き込み記録と古い控えに、消す前の行がしばらく残ります。",
     "Just after a deletion, the database's own journal and older backups still hold the deleted rows for a while."),
    ("暗証番号は、押したキーを一つずつ画面から端末プログラムへ送ります。同じ端末の中ですが、端末の管理者には見えます。",
     "The PIN goes from the page to the terminal's program a key at a time, inside the terminal; who administers it could see it."),
    ("ブラウザーには、最後に送ったキー一つ分が残ることがあります。", "The browser may keep the one key that it sent last."),
    ("実物のカードではなく、試験用のカードで確かめました。", "Simulated cards were used, not real ones."),
)

Result = collections.namedtuple("Result", "passed ja en")


def run_tests(folder, nodes, report):
    """Runs one folder's tests; nodes: these only."""
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "-n", "2",
               "--dist", "loadfile", *nodes]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "MYKEY_TEST_SEEN": f"{report}.seen"}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(f"{folder}:\n{done.stdout}\n")
    return read_report(report) if os.path.exists(report) else {}


def read_seen(path):
    """Test → what it says it saw (the fixture found)."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return {line["test"].split("[")[0]: line for line in map(json.loads, file)}


def read_report(path):
    """Test → Result; of one with several cases all must have passed. What was skipped did not pass."""
    results, seen = {}, read_seen(f"{path}.seen")
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        node = case.get("classname").replace(".", "/") + ".py::" + case.get("name").split("[")[0]
        bad = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        before = results[node].passed if node in results else True
        said = seen.get(node, {})
        results[node] = Result(before and not bad, said.get("ja", ""), said.get("en", ""))
    return results


def run_all():
    folders = collections.defaultdict(list)
    for promise in PROMISES:
        for node in promise.tests:
            folders[os.path.dirname(node)].append(node)
    folders["tests/privacy"] = ["tests/privacy"]  # with the tests of the checks themselves
    results = {}
    with tempfile.TemporaryDirectory(prefix="mykey-privacy-") as out:
        for folder, nodes in folders.items():
            results |= run_tests(folder, nodes, os.path.join(out, os.path.basename(folder) + ".xml"))
    return results


def failed_tests(promise, results):
    """A test that did not run is no proof."""
    return [node for node in promise.tests if node not in results or not results[node].passed]


def wrapped(text, indent):
    """Lines of about 100 columns; Japanese may break anywhere and is two columns wide."""
    if text.isascii():
        return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent)
    lines, width = [indent], len(indent)
    for character in text:
        columns = 2 if unicodedata.east_asian_width(character) in "WFA" else 1
        if width + columns + 2 * (character in "（「") > 100 and character not in "、。）」：・ー":
            lines, width = [*lines, indent], len(indent)
        lines[-1], width = lines[-1] + character, width + columns
    return lines


def section(promises, results, lang):
    how, seen, yes, no = {"ja": ("確かめ方", "結果", "守られています", "守られていません"), "en": ("Checked", "Found", "holds", "DOES NOT HOLD")}[lang]
    comma, dot = ("：", "・") if lang == "ja" else (": ", "- ")
    lines = []
    for number, promise in enumerate(promises, 1):
        bad = failed_tests(promise, results)
        said = [getattr(results[node], lang) for node in promise.tests if node in results and getattr(results[node], lang)]
        lines += wrapped(f"{number}. {getattr(promise, lang)}", "")
        lines += wrapped(f"{how}{comma}{getattr(promise, 'how_' + lang)}", "   ")
        lines += [f"   {seen}{comma}{no if bad else yes}"]
        lines += [line for one in said for line in wrapped(f"{dot}{one}", "     ")]
        lines += [f"   ! {node}" for node in bad] + [""]
    return lines


def other_faults(results):
    """Tests of the checks themselves."""
    named = {node for promise in PROMISES for node in promise.tests}
    return sorted(node for node, result in results.items() if node not in named and not result.passed)


def render(results, when):
    bad = [promise for promise in PROMISES if failed_tests(promise, results)]
    others = other_faults(results)
    good = len(PROMISES) - len(bad)
    lines = ["マイキープラットフォーム：利用者への約束と、いま確かめた結果", f"{when}　約束{len(PROMISES)}件のうち{good}件が守られています。", ""]
    lines += section(PROMISES, results, "ja") + ["この検査で分からないこと"] + [line for ja, _ in NOT_SHOWN for line in wrapped(f"・{ja}", "")]
    lines += ["", "-" * 100, "", "MyKey Platform: what residents are promised, and what was found just now",
              f"{when}  {good} of {len(PROMISES)} promises hold.", ""]
    lines += section(PROMISES, results, "en") + ["What this does not show"] + [line for _, en in NOT_SHOWN for line in wrapped(f"- {en}", "")]
    if others:
        lines += ["", "検査そのものの不具合 / the checks themselves failed:", *(f"! {node}" for node in others)]
    return "\n".join(lines), not bad and not others


def main():
    print("確かめています（数分）… / checking, a few minutes …", file=sys.stderr, flush=True)
    text, held = render(run_all(), datetime.datetime.now().strftime("%Y-%m-%d %H:%M"))
    print(text)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
