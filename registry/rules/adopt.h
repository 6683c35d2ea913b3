// A model that was made elsewhere becomes the champion as it is. Pure, as all rules are.
// Knows nothing of files, plans or fingerprints' origin.
#pragma once

#include <string>
#include <vector>

#include "registry/rules/registry.h"

namespace lockstep {

// Why this model can't be adopted: it has a champion of its own, or a pin holds it. Empty: it can.
// One whose champion came by an import can: nobody trained it here.
std::string not_adoptable(const Registry& registry, const std::string& model);

struct Adoption {
  std::vector<Fact> facts;  // the version, where these bytes are new, and the alias's move
  int64_t version = 0;
};
// `version`: of today's fingerprint, number unset. No gate is asked: what is live elsewhere is
// recorded, not judged. Throws conflict where not_adoptable() says why.
Adoption adopt(const Registry& registry, const Version& version, const std::string& who,
               const std::string& reason);

}  // namespace lockstep
