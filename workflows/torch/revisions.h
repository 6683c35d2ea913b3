// The revision of each built-in action: raised whenever the bytes it makes from the same inputs may
// change, so that what it trained before counts as stale. Knows nothing of how they train.
#pragma once

namespace lockstep {

inline constexpr int kTextTrunkRevision = 1;
inline constexpr int kTextAdapterRevision = 1;
inline constexpr int kEvaluateRevision = 1;

}  // namespace lockstep
