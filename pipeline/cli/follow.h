// Follows a run to its end: the transcript on stdout as it becomes known, progress on stderr.
// Knows nothing of how the run was asked for.
#pragma once

#include <set>
#include <string>

#include "pipeline/cli/context.h"

namespace lockstep {

// RunProgress of a run: one line redrawn on a terminal; elsewhere at most a line in a second that
// names what has finished.
class RunProgress {
 public:
  explicit RunProgress(Context& context) : context_(context), told_ms_(context.now_ms()) {}
  void draw(const Doc& run);
  void clear();  // takes the drawn line away

 private:
  void redraw(const Doc& run);
  void tell(const Doc& run);

  Context& context_;
  int64_t told_ms_;
  bool drawn_ = false;
  std::set<std::string> told_;
};

// Waits for the end of a run, printing its transcript unless JSON is wanted; gives its document.
Json await_run(Context& context, const std::string& id);
// `started`: {"run":id|null,…} of the route that started it. Prints everything; gives the exit
// code.
int follow_run(Context& context, const Json& started);
int run_exit_code(const Doc& run);

}  // namespace lockstep
