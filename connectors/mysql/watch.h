// A signal at even intervals: a database without versions sends none of its own.
// Knows nothing of servers.
#pragma once

#include "pipeline/base/fd.h"
#include "pipeline/core/source.h"

namespace lockstep {

class MysqlWatch : public SourceWatch {
 public:
  explicit MysqlWatch(int64_t every_ms);

  int fd() const override { return fd_.get(); }
  bool take() override;

 private:
  Fd fd_;
};

}  // namespace lockstep
