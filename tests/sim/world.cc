#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

constexpr int kMostRounds = 3'000;  // of messages and effects until all is at rest

}  // namespace

World::World(uint64_t given_shape, Wrong given_wrong)
    : shape(given_shape),
      wrong(given_wrong),
      surveyor({{{"tables", &tables}}, {{"code", &code}}}, workflows, slice_cache),
      options(options_of(given_shape)) {
  heads.push_back(tables.commit(first_tables(shape)));
  good_code = code.commit(first_code());
  workflows.at[good_code] = workflows_of(shape);
  if (wrong == Wrong::kActsTooSoon) {
    store.too_soon = [this](const Intent& intent) {
      auto attempt = sqlite.attempt(intent.target);
      if (intent.kind == "start" && attempt) runner.start(intent.target, attempt->context);
    };
  }
  restart();
}

bool World::apply(const Event& event) {
  clock.now += 10;
  switch (event.what) {
    case What::kEdit:
    case What::kAddRow:
    case What::kDropRow:
    case What::kMoveRow:
    case What::kDropClient:
    case What::kCorpus:
    case What::kNoise:
      return edit_rows(event);
    case What::kCode:
    case What::kFlow:
    case What::kBreakFlow:
      return edit_code(event);
    case What::kForcePush:
    case What::kBranch:
    case What::kMerge:
    case What::kDropBranch:
      return branch(event);
    case What::kDamage:
    case What::kHeal:
    case What::kAway:
    case What::kBack:
      return hinder(event);
    case What::kLook:
      return look();
    case What::kPreview:
      return preview(event.a, event.b % 4 == 0);
    case What::kRun:
    case What::kApprove:
    case What::kCancel:
    case What::kPin:
    case What::kUnpin:
    case What::kRollback:
    case What::kReleaseRollback:
      return ask(event);
    case What::kCrash:
    case What::kDiskFull:
      faults.disk_full = event.what == What::kDiskFull;
      faults.left = event.a % 48;
      if (faults.left == 0) restart();
      return true;
    case What::kSettle:
      settle();
      return true;
    default:
      return move(event);
  }
}

void World::heal_all() {
  faults.reset();
  tables.error.reset();
  code.error.reset();
  tables.damaged.clear();
  present.insert(damaged.begin(), damaged.end());
  healed.insert(damaged.begin(), damaged.end());
  damaged.clear();
  if (workflows.errors.count(code.history.head)) edit_code({What::kNoise, 0, 0});
}

// Everything that is on its way arrives, all effects succeed, all attempts end well.
bool World::drain() {
  bool any = false;
  for (int round = 0; round < kMostRounds; ++round) {
    bool moved = deliver(0, false, true) || effect(round % 2, 2) || end_attempt(0, 23);
    if (!moved) return any;
    any = true;
  }
  throw Violation{"rest", "messages and effects do not come to an end"};
}

void World::settle() {
  heal_all();
  redeliver();
  turn();  // what was delivered for a later turn
  for (int round = 0;; ++round) {
    must(round < 30, "rest", "the workspace does not come to rest");
    bool more = drain();
    if (engine->held().is_null()) more = look() || more;
    for (uint32_t i = 0; !more && i < branches.size(); ++i) more = preview(i, false);
    if (!more && !engine->held().is_null()) more = ask({What::kApprove, 0, 0});
    if (!more && !engine->past().live().empty()) redeliver(), more = true;
    if (!more) break;
  }
  // What no run has released is released by the clock.
  clock.now += 600'001;
  turn();
  drain();
  checks.at_rest(*this);
  // What changed without a commit (an unpin, a rollback, lost bytes) waits for the next plan.
  for (int round = 0; round < 3; ++round) {
    look_again();
    drain();
    // What a table that could not be read had hidden may be held only now.
    if (engine->held().is_null()) continue;
    ask({What::kApprove, 0, 0});
    drain();
  }
  checks.at_rest_after_plan(*this);
}

}  // namespace lockstep::sim
