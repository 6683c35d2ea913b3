// How pins and marks read in messages. Knows nothing of what they hold back.
#pragma once

#include <string>

#include "registry/rules/registry.h"

namespace lockstep {

inline std::string by_whom(const std::string& who, const std::string& reason) {
  return " by " + (who.empty() ? "somebody" : who) + (reason.empty() ? "" : ": " + reason);
}

// "pinned at version 1 by ann: wrong labels"
inline std::string pin_text(const Pin& pin) {
  std::string where = pin.version == 0 ? "as absent" : "at version " + std::to_string(pin.version);
  return "pinned " + where + by_whom(pin.who, pin.reason);
}

// "withdrawn by ann: wrong labels", "withdrawn in production by ann: wrong labels"
inline std::string withdrawn_text(const Withdrawal& mark) {
  return "withdrawn" + (mark.channel.empty() ? "" : " in " + mark.channel) +
         by_whom(mark.who, mark.reason);
}
inline std::string withdrawn_text(const ReleaseWithdrawn& mark) {
  return "withdrawn" + by_whom(mark.who, mark.reason);
}

// "client-3 version 2"
inline std::string version_text(const std::string& model, int64_t version) {
  return model + " version " + std::to_string(version);
}

}  // namespace lockstep
