// A pager such as less between what a command prints and the terminal, as git has one.
// Knows nothing of what is shown, nor whether it should be paged.
#pragma once

#include <sys/types.h>

#include <memory>
#include <ostream>
#include <string>

#include "pipeline/base/fd.h"

namespace lockstep {

// LOCKSTEP_PAGER, else PAGER, else less where there is one. Empty: none ("cat" and "" say so).
std::string pager_command();

class Pager {
 public:
  // A line of the user's own shell, as in $PAGER. Throws unavailable where it can't be started.
  explicit Pager(const std::string& command);
  // Ends its input and waits until the user has left it.
  ~Pager();
  Pager(const Pager&) = delete;
  Pager& operator=(const Pager&) = delete;

  // Not good() any more once the user has left it.
  std::ostream& out() { return out_; }

 private:
  std::unique_ptr<std::streambuf> buffer_;
  std::ostream out_;
  pid_t pid_ = 0;
};

}  // namespace lockstep
