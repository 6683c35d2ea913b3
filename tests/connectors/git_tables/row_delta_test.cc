#include "connectors/git_tables/row_delta.h"

#include <string>

#include "tests/catch.h"

using namespace lockstep;

namespace {

std::string show(const std::vector<CsvPart>& parts) {
  std::string out;
  for (const CsvPart& part : parts)
    out += std::to_string(part.line) + "<" + std::string(part.text) + ">";
  return out;
}

std::string delta(const std::string& before, const std::string& after) {
  const CsvDelta read = csv_delta(before, after, 2);
  return show(read.before) + " | " + show(read.after);
}

}  // namespace

TEST_CASE("row delta: rows changed, added, removed", "[git_tables]") {
  CHECK(delta("a\nb\nc\n", "a\nb\nc\n") == " | ");
  CHECK(delta("a\nb\nc\n", "a\nX\nc\n") == "3<b\n> | 3<X\n>");
  CHECK(delta("a\nb\nc\n", "a\nc\n") == "3<b\n> | ");
  CHECK(delta("a\nc\n", "a\nb\nb2\nc\n") == " | 3<b\nb2\n>");
  CHECK(delta("a\n", "a\nb\n") == " | 3<b\n>");
  CHECK(delta("a\nb", "a\nb\n") == "3<b> | 3<b\n>");
  CHECK(delta("", "a\n") == " | 2<a\n>");
  CHECK(delta("a\n", "") == "2<a\n> | ");
  CHECK(delta("x\na\nb\n", "a\nb\nx\n") == "2<x\n> | 4<x\n>");
}

TEST_CASE("row delta: line ends inside quotes are no row ends", "[git_tables]") {
  CHECK(delta("\"a\n,\"\"\n\",1\nb\nc\n", "\"a\n,\"\"\n\",1\nB\nc\n") == "5<b\n> | 5<B\n>");
  CHECK(delta("\"a\nb\",1\nc\n", "\"a\nB\",1\nc\n") == "2<\"a\nb\",1\n> | 2<\"a\nB\",1\n>");
  CHECK(delta("a\n\"open\nb\n", "a\nb\n") == "3<\"open\nb\n> | 3<b\n>");
  CHECK(first_row("\"a\nb\"\nc").line_ends == 2);
  CHECK(first_row("").text.empty());
}

TEST_CASE("row delta: long runs and new orders lose nothing", "[git_tables]") {
  std::string before, after, reversed;
  for (int i = 0; i < 500; ++i) {
    before += "row" + std::to_string(i) + "\n";
    reversed = "row" + std::to_string(i) + "\n" + reversed;
    after += (i >= 100 && i < 300 ? "new" : "row") + std::to_string(i) + "\n";
  }
  // Whatever is left out is in both: the sizes must agree.
  const auto left_out = [](const std::string& a, const std::string& b) {
    const CsvDelta read = csv_delta(a, b, 1);
    size_t in_a = a.size(), in_b = b.size();
    for (const CsvPart& part : read.before) in_a -= part.text.size();
    for (const CsvPart& part : read.after) in_b -= part.text.size();
    CHECK(in_a == in_b);
    return in_a;
  };
  CHECK(left_out(before, after) > 1500);
  left_out(before, reversed);
  CHECK(csv_delta(before, before + "x\n", 1).after.at(0).line == 501);
}
