#include "pipeline/core/value.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/core/value_time.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

std::string payload(ValueTag type, std::string_view text) {
  return parse_value(type, text).payload;
}

std::string hex_of(const std::string& bytes) {
  return hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

void refuses(ValueTag type, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    INFO(word(type) << " \"" << text << "\"");
    try {
      parse_value(type, text);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code == ErrorCode::kInvalid);
      CHECK(!error.message.empty());
    }
  }
}

void reads(ValueTag type, const std::vector<std::pair<std::string, std::string>>& cases) {
  for (const auto& [text, expected] : cases) {
    INFO(word(type) << " \"" << text << "\"");
    const Value value = parse_value(type, text);
    CHECK(value.payload == expected);
    CHECK(parse_value(type, display(value)) == value);
  }
}

}  // namespace

TEST_CASE("ints are decimal text, one form a number", "[value]") {
  reads(ValueTag::kInt, {{"0", "0"},
                         {"-0", "0"},
                         {"+7", "7"},
                         {"007", "7"},
                         {"-010", "-10"},
                         {"18446744073709551615", "18446744073709551615"}});
  refuses(ValueTag::kInt, {"", "-", "+", "1.0", "1e3", " 1", "1 ", "--1", "0x1", "true"});
}

TEST_CASE("decimals lose trailing fraction zeros and the sign of zero", "[value]") {
  reads(ValueTag::kDecimal, {{"1.50", "1.5"},
                             {"1.0", "1"},
                             {"-0.00", "0"},
                             {"100", "100"},
                             {".5", "0.5"},
                             {"5.", "5"},
                             {"-00.10", "-0.1"},
                             {"+1", "1"}});
  refuses(ValueTag::kDecimal, {"", ".", "-", "-.", "1e3", "1.2.3", "1,5", "NaN"});
}

TEST_CASE("floats are eight bytes, big-endian", "[value]") {
  CHECK(hex_of(payload(ValueTag::kFloat, "0.1")) == "3fb999999999999a");
  CHECK(hex_of(payload(ValueTag::kFloat, "-0")) == "0000000000000000");
  CHECK(hex_of(float_value(-0.0).payload) == "0000000000000000");
  CHECK(hex_of(payload(ValueTag::kFloat, "-2")) == "c000000000000000");
  CHECK(display(parse_value(ValueTag::kFloat, "1.10")) == "1.1");
  for (const char* text : {"0.1", "1e300", "-5e-324", "123456789.125", "inf", "-inf", "+3"}) {
    const Value value = parse_value(ValueTag::kFloat, text);
    CHECK(parse_value(ValueTag::kFloat, display(value)) == value);
  }
  CHECK_THROWS_AS(float_value(std::numeric_limits<double>::quiet_NaN()), Error);
  refuses(ValueTag::kFloat, {"", "nan", "-nan", "1e999", "0x1p3", "1,5", " 1", "+-1", "1f"});
}

TEST_CASE("dates are real days", "[value]") {
  reads(ValueTag::kDate, {{"2026-03-03", "2026-03-03"},
                          {"2024-02-29", "2024-02-29"},
                          {"0000-00-00", "0000-00-00"},
                          {"0001-01-01", "0001-01-01"}});
  refuses(ValueTag::kDate,
          {"", "2026-3-3", "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-04-31",
           "2026-03-03 ", "2026/03/03", "2026-03-03T00:00:00", "2026-03-", "2026-03-0"});
}

TEST_CASE("times are microseconds", "[value]") {
  reads(ValueTag::kTime, {{"00:00:00", "0"},
                          {"14:00:00", "50400000000"},
                          {"14:00", "50400000000"},
                          {"-00:00:00.5", "-500000"},
                          {"-00:00:00", "0"},
                          {"838:59:59.999999", "3020399999999"},
                          {"1:02:03.0000010", "3723000001"}});
  CHECK(display(parse_value(ValueTag::kTime, "1:02:03.250")) == "01:02:03.25");
  refuses(ValueTag::kTime, {"", "14", "14:60", "14:00:60", "14:00:00.", "14:00:00.1234567",
                            "1234567:00:00", ":00:00", "--1:00:00", "14:00:00Z"});
}

TEST_CASE("datetimes have six fraction digits and become UTC", "[value]") {
  reads(ValueTag::kDatetime, {{"2026-03-03T14:00:00", "2026-03-03T14:00:00.000000"},
                              {"2026-03-03 14:00", "2026-03-03T14:00:00.000000"},
                              {"2026-03-03T14:00:00.25Z", "2026-03-03T14:00:00.250000"},
                              {"2026-03-01T00:30:00+02:00", "2026-02-28T22:30:00.000000"},
                              {"2023-12-31T23:30:00-0130", "2024-01-01T01:00:00.000000"},
                              {"2024-02-28T23:00:00-01", "2024-02-29T00:00:00.000000"},
                              {"0000-00-00 00:00:00", "0000-00-00T00:00:00.000000"}});
  refuses(ValueTag::kDatetime,
          {"", "2026-03-03", "2026-03-03T", "2026-03-03T24:00:00", "2026-03-03T14:00:00+24:00",
           "2026-03-03T14:00:00+1", "2026-03-03T14:00:00 UTC", "2026-02-30T00:00:00",
           "0000-01-01T00:00:00+01:00", "9999-12-31T23:30:00-01:00", "0000-00-00T00:00:00+01:00"});
}

TEST_CASE("text is UTF-8, bytes are bytes, JSON is RFC 8785", "[value]") {
  CHECK(payload(ValueTag::kText, "") == "");
  CHECK(payload(ValueTag::kText, "öffne") == "öffne");
  refuses(ValueTag::kText, {"\xff", "a\xC0\xAF"});
  CHECK(payload(ValueTag::kBytes, std::string_view("\0\xff", 2)) == std::string("\0\xff", 2));
  CHECK(payload(ValueTag::kJson, " {\"b\": 1.0, \"a\": [1e2, \"x\\u00f6\"]} ") ==
        "{\"a\":[100,\"xö\"],\"b\":1}");
  refuses(ValueTag::kJson, {"", "{", "nul", "[1,]", std::string(300, '[') + std::string(300, ']')});
  CHECK(payload(ValueTag::kJson, "\"" + std::string(300, '[') + "\\\"[\"").size() == 305);
}

TEST_CASE("values are ordered: NULL first, numbers by value, text by bytes", "[value]") {
  const auto sorted = [](ValueTag type, const std::vector<std::string>& texts) {
    for (size_t i = 0; i < texts.size(); ++i) {
      CHECK(bool(compare_values(null_value(), parse_value(type, texts[i])) < 0));
      for (size_t j = 0; j < texts.size(); ++j) {
        INFO(texts[i] << " against " << texts[j]);
        const auto order = compare_values(parse_value(type, texts[i]), parse_value(type, texts[j]));
        CHECK(bool(order == (i <=> j)));
      }
    }
  };
  sorted(ValueTag::kInt, {"-100", "-20", "-3", "0", "2", "10", "99999999999999999999"});
  sorted(ValueTag::kDecimal,
         {"-10.5", "-2.75", "-2.5", "-2", "0", "0.05", "0.5", "2", "2.25", "10"});
  sorted(ValueTag::kFloat, {"-inf", "-1e300", "-0.5", "0", "1e-9", "2", "10", "inf"});
  sorted(ValueTag::kTime, {"-10:00:00", "-01:00:00", "00:00:00", "02:00:00", "10:00:00"});
  sorted(ValueTag::kText, {"", "B", "a", "aa", "z", "ö", "\U0001F600"});
  sorted(ValueTag::kDate, {"0999-01-01", "2026-01-02", "2026-01-10"});
  CHECK(bool(compare_values(null_value(), null_value()) == 0));
}

TEST_CASE("days and microseconds of dates and datetimes, and back", "[value]") {
  CHECK(days_of("1970-01-01") == 0);
  CHECK(days_of("1969-12-31") == -1);
  CHECK(days_of("2000-03-01") == 11017);
  CHECK_FALSE(days_of("0000-00-00"));
  CHECK_FALSE(days_of("2026-03-03T"));
  for (const char* day : {"0000-01-01", "1600-02-29", "1970-01-01", "9999-12-31"}) {
    CHECK(date_of(*days_of(day)) == day);
  }
  CHECK_FALSE(date_of(*days_of("9999-12-31") + 1));
  CHECK_FALSE(date_of(*days_of("0000-01-01") - 1));
  CHECK(micros_of("1970-01-02T00:00:00.000001") == 86'400'000'001);
  CHECK(micros_of("1969-12-31T23:59:59.999999") == -1);
  CHECK_FALSE(micros_of("0000-00-00T00:00:00.000000"));
  CHECK_FALSE(micros_of("2026-03-03 00:00:00.000000"));
  CHECK(datetime_of(-1) == "1969-12-31T23:59:59.999999");
  CHECK(datetime_of(86'400'000'001) == "1970-01-02T00:00:00.000001");
  CHECK_FALSE(datetime_of(INT64_MIN));
  CHECK_FALSE(datetime_of(INT64_MAX));
}
