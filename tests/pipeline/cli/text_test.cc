// How numbers, names and hostile texts are written.
#include "pipeline/cli/text.h"

#include "pipeline/cli/document.h"
#include "pipeline/cli/table.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

std::vector<std::string> numbered(const std::string& before, int from, int to,
                                  const std::string& after = "") {
  std::vector<std::string> out;
  for (int i = from; i <= to; ++i) out.push_back(before + std::to_string(i) + after);
  return out;
}

}  // namespace

TEST_CASE("numbered names are drawn together") {
  using Names = std::vector<std::string>;
  CHECK(compress_names({}) == "");
  CHECK(compress_names({"trunk"}) == "trunk");
  CHECK(compress_names(numbered("intent-client-", 1, 8)) == "intent-client-1 … 8");
  Names mixed = numbered("intent-client-", 1, 8);
  mixed.insert(mixed.begin(), "trunk");
  CHECK(compress_names(mixed) == "trunk, intent-client-1 … 8");
  CHECK(compress_names(Names{"c-1", "c-2"}) == "c-1, 2");
  CHECK(compress_names(Names{"c-9", "c-10", "c-8", "c-3", "c-3"}) == "c-3, 8 … 10");
  CHECK(compress_names(Names{"a", "c-7", "b"}) == "a, c-7, b");
  CHECK(compress_names(numbered("train[client=client-", 1, 3, "]")) ==
        "train[client=client-1 … 3]");
  CHECK(compress_names(Names{"t[c=1]", "t[c=5]"}) == "t[c=1, 5]");
}

TEST_CASE("what only looks like a number is left alone") {
  using Names = std::vector<std::string>;
  CHECK(compress_names(Names{"c-01", "c-02", "c-03"}) == "c-01, c-02, c-03");
  CHECK(compress_names(Names{"id-99999999999999999999", "id-99999999999999999998"}) ==
        "id-99999999999999999999, id-99999999999999999998");
  CHECK(compress_names(Names{"m", "m1", "m2", "m3"}) == "m, m1 … 3");
  CHECK(compress_names(Names{"x0", "x1", "x2"}) == "x0 … 2");
}

TEST_CASE("long lists of names are counted from where they no longer fit") {
  std::vector<std::string> odd;
  for (int i = 1; i < 200; i += 2) odd.push_back("client-" + std::to_string(i));
  CHECK(compress_names(odd, 36) == "client-1, 3, 5, 7, 9, and 95 more");
  CHECK(compress_names({"a-very-long-name-indeed"}, 10) == "a-very-lo…");
}

TEST_CASE("numbers, times and ids") {
  CHECK(thousands(0) == "0");
  CHECK(thousands(999) == "999");
  CHECK(thousands(1920) == "1,920");
  CHECK(thousands(-1234567) == "-1,234,567");
  CHECK(thousands(-123) == "-123");
  CHECK(plural(1, "row") == "1 row");
  CHECK(plural(1920, "row") == "1,920 rows");
  CHECK(plural(2, "entry") == "2 entries");
  CHECK(plural(2, "day") == "2 days");
  CHECK(duration(0.04) == "40 ms");
  CHECK(duration(2.1) == "2.1 s");
  CHECK(duration(9.97) == "10 s");
  CHECK(duration(59.7) == "1 min 0 s");
  CHECK(duration(200) == "3 min 20 s");
  CHECK(duration(7500) == "2 h 5 min");
  CHECK(duration(300'000) == "3 d 11 h");
  CHECK(duration(-1) == "?");
  CHECK(bytes_text(12) == "12 B");
  CHECK(bytes_text(1536 << 10) == "1.5 MiB");
  CHECK(short_id("1f3c9ab0123456789012345678901234567890ab") == "1f3c9ab");
  CHECK(short_id("0123456789abcdefghijklmnopqrstuv") == "0123456");
  CHECK(short_id("sha256:" + std::string(64, 'a')) == "aaaaaaaaaaaa");
  CHECK(short_id("main") == "main");
  CHECK(when("2026-03-03T14:00:07.123Z") == "2026-03-03 14:00:07");
  CHECK(when("soon") == "soon");
  CHECK(shell_word("12/trunk") == "12/trunk");
  CHECK(shell_word("train[client=it's]") == "'train[client=it'\\''s]'");
}

TEST_CASE("texts from outside can't move the cursor") {
  CHECK(clean("öffne die Tür") == "öffne die Tür");
  CHECK(clean("a\x1b[2Jb\r\nc\x07") == "a\\u001b[2Jb\\u000d\\u000ac\\u0007");
  CHECK(clean("\xff\xc3") == "\\xff\\xc3");
  CHECK(clean("a\u202eb\u009bc") == "a\\u202eb\\u009bc");
  CHECK(clean_log("\x1b[31mred\x1b[0m\n\tok\x1b]0;title\x07") ==
        "\x1b[31mred\x1b[0m\n\tok\\u001b]0;title\\u0007");
  CHECK(clean_log("1%\r2%\r\ndone") == "1%\n2%\ndone");
}

TEST_CASE("width counts columns, not bytes") {
  CHECK(width("Tür …") == 5);
  CHECK(width("日本") == 4);
  CHECK(width("\x1b[31mred\x1b[0m") == 3);
  CHECK(pad("Tür", 5) == "Tür  ");
  CHECK(pad_left("12", 4) == "  12");
  CHECK(cut("öffne die Tür", 6) == "öffne…");
  CHECK(cut("日本語", 4) == "日…");
}

TEST_CASE("tables align, drop empty columns and end lines without spaces") {
  Table table(Style{}, {"NAME", ">ROWS", "NEVER", "KEY"});
  table.row({"utterances", "1,920", "", "id"});
  table.row({"Türen", "7"});
  CHECK(table.text() ==
        "NAME          ROWS   KEY\n"
        "utterances   1,920   id\n"
        "Türen            7\n");
  CHECK(Table(Style{}, {"NAME"}).text() == "");
}

TEST_CASE("colours change nothing but colours") {
  CHECK(transcript_line(Style{}, "gate", "8 passed") == "gate   8 passed\n");
  CHECK(transcript_line(Style{true}, "gate", "8 passed", "x") ==
        "\x1b[1mgate\x1b[0m   8 passed" + std::string(32, ' ') + "x\n");
  CHECK(transcript_line(Style{}, "approved", "a") == "approved a\n");
}

TEST_CASE("documents may lack anything") {
  Json json = {{"text", "a\nb"}, {"number", 3}, {"list", {1, "x", nullptr}}, {"null", nullptr}};
  Doc doc(json);
  CHECK(doc.text("text") == "a\\u000ab");
  CHECK(doc.text("number") == "3");
  CHECK(doc.text("list") == "[1,\"x\",null]");
  CHECK(doc.texts("list") == std::vector<std::string>{"1", "x", ""});
  CHECK(doc.number("text", 5) == 5);
  CHECK_FALSE(doc.has("null"));
  CHECK(doc.part("absent").part("deeper").text("x") == "");
  CHECK(doc.part("number").list("x").empty());
}
