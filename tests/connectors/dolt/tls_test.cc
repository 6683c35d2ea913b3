#include "tests/catch.h"
#include "tests/connectors/dolt/dolt_server.h"
#include "tests/connectors/sql/certificate.h"

using namespace lockstep;

namespace {

std::string outcome(const SqlServer& server) {
  try {
    SqlConnection sql(server);
    return sql.value("SELECT 1") == "1" ? "connected" : "no answer";
  } catch (const Error& error) {
    return std::string(word(error.code));
  }
}

}  // namespace

TEST_CASE("dolt: a certificate must be known and made out to the host", "[dolt]") {
  TempFolder folder;
  make_certificate(folder.path(), "DNS:localhost");
  DoltServer server(
      fmt::format("  tls_key: {0}/key.pem\n  tls_cert: {0}/cert.pem\n", folder.path().string()));
  SqlServer far = server.by_port();
  far.verify_tls = true;
  far.host = "localhost";
  CHECK(outcome(far) == "denied");  // an unknown authority
  far.ca_file = folder.path() / "cert.pem";
  CHECK(outcome(far) == "connected");
  far.host = "127.0.0.1";
  CHECK(outcome(far) == "denied");  // made out to another name
  TempFolder other;
  make_certificate(other.path(), "DNS:localhost");
  far.host = "localhost";
  far.ca_file = other.path() / "cert.pem";
  CHECK(outcome(far) == "denied");  // signed by another
  far.ca_file = folder.path() / "nothing.pem";
  CHECK(outcome(far) != "connected");
}
