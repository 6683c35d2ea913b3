// A document posted to an address and signed as Standard Webhooks, so that the receiver knows whose
// it is and which it has seen. Knows nothing of what it says or of how often to try.
#pragma once

#include <string>

#include "connectors/http/http.h"

namespace lockstep {

struct Notice {
  std::string id;      // the same for every try: letters, digits, '_' and '-'
  int64_t time_s = 0;  // Unix time, of this try
  std::string body;    // JSON
};

// POST with webhook-id, webhook-timestamp and webhook-signature "v1,BASE64" (HMAC-SHA256 of
// "ID.TIME.BODY"; the key of a secret that begins with `whsec_` is the base64 behind it). Throws
// invalid: the URL, an empty secret, base64 that is none.
HttpRequest notice_request(const std::string& url, const std::string& secret, const Notice& notice);

// 5 s to connect, 15 s for the answer; the URL's host is the operator's own.
HttpOptions notice_options(const std::string& url);

// Sends it; no redirect is followed. Throws as above, not_found when the receiver is gone for good
// (410), unavailable for every other answer but 2xx: try again.
void send_notice(HttpClient& http, const std::string& url, const std::string& secret,
                 const Notice& notice);

}  // namespace lockstep
