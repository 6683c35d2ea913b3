// A key and a certificate signed by itself, for servers under test.
// Knows nothing of the servers.
#pragma once

#include "tests/connectors/sql/server_process.h"

namespace lockstep {

// Writes key.pem and cert.pem; `names` as openssl has them: "DNS:localhost".
inline void make_certificate(const fs::path& folder, const std::string& names) {
  ServerProcess::run({{"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                       "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=somebody", "-addext",
                       "subjectAltName=" + names},
                      {},
                      folder,
                      folder / "openssl.log"});
}

}  // namespace lockstep
