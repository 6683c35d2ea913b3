// The one comment of ours below a branch's pull request: found again by a hidden mark, and edited.
// Knows nothing of what it says.
//
// DoltHub documents how a comment is added, not how comments are listed or edited: what was said
// there once could not be brought in line again, so nothing is.
#pragma once

#include <optional>
#include <string>

#include "connectors/forge/api.h"

namespace lockstep {

// Number of the open pull request that would merge this branch of the repository itself (not of a
// fork); nothing: there is none. Of several the first.
//   GitHub  GET /pulls?state=open&head=OWNER:BRANCH
//   GitLab  GET /merge_requests?state=opened&source_branch=BRANCH
//   Gitea   GET /pulls?state=open, page by page
// Throws as forge_refused() says, corrupt for an answer that is none.
std::optional<int64_t> pull_request_of(HttpClient& http, const ForgeTarget& target,
                                       const std::string& branch);

// Brings the comment in line: `mark` (an HTML comment, shown to nobody) and then `text`. Written
// where there is none that begins with the mark, edited where it says something else. Two at once
// would write two. Throws as above.
void set_comment(HttpClient& http, const ForgeTarget& target, int64_t pull_request,
                 const std::string& mark, const std::string& text);

}  // namespace lockstep
