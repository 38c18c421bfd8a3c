// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//
// EXEC is one atomic step across shards and threads. Where every queued command names its keys, the
// shards of those keys (and of the watched ones) are locked in rising order and nobody else is
// disturbed; where one may look at keys it does not name (KEYS, FLUSHALL, EVAL), every loop is held
// off instead. Then the watched keys are looked at once more, so nothing can change between the
// check and the commands.

#include <optional>
#include <string_view>
#include <vector>

#include "protocol/errors.h"
#include "server/engine/command.h"
#include "server/engine/dispatch.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "server/engine/monitors.h"
#include "server/engine/registry.h"
#include "server/engine/transaction.h"
#include "server/security/users.h"
#include "storage/timeline.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

Transaction& transaction_of(Call& call) {
  if (!call.client.transaction) {
    call.client.transaction = std::make_unique<Transaction>(call.services.store);
  }
  return *call.client.transaction;
}

bool is_open(const Call& call) {
  return call.client.transaction && call.client.transaction->is_open();
}

void multi(Call& call) {
  if (is_open(call)) return call.reply.error(errors::multi_nested);
  transaction_of(call).open();
  call.reply.ok();
}

void discard(Call& call) {
  if (!is_open(call)) return call.reply.error(errors::discard_without_multi);
  call.client.transaction->close();
  call.reply.ok();
}

void watch(Call& call) {
  if (is_open(call)) return call.reply.error(errors::watch_in_multi);
  Transaction& transaction = transaction_of(call);
  for (std::size_t i = 1; i < call.words.size(); ++i) {
    transaction.watch(call.client.db, call.word(i), call.now_ms);
  }
  call.reply.ok();
}

void unwatch(Call& call) {
  if (call.client.transaction) call.client.transaction->forget_watches();
  call.reply.ok();
}

struct Reach {
  bool needs_all = false;
  std::vector<Key> keys;  // queued and watched
};

Reach reach_of(Call& call, const Transaction& transaction) {
  Reach reach;
  std::vector<std::string_view> words;
  for (const Transaction::Queued& queued : transaction.queued()) {
    if (queued.row->flags & (all_keys | exclusive)) {
      reach.needs_all = true;
      return reach;
    }
    words.assign(queued.words.begin(), queued.words.end());
    for (const std::size_t i : key_positions(*queued.row, words)) {
      reach.keys.push_back(call.keys.key(queued.words[i]));
    }
  }
  for (const Transaction::Watched& watched : transaction.watched()) {
    reach.keys.push_back(call.keys.key(watched.key));
  }
  return reach;
}

// Looks every watched key up, which drops those whose time has come and so raises the flag.
bool watched_keys_changed(Call& call, Transaction& transaction, const storage::HeldShards* held) {
  for (const Transaction::Watched& watched : transaction.watched()) {
    storage::Keyspace keys(call.services.store, watched.db, call.now_ms, held);
    keys.update(keys.key(watched.key), [](storage::Slot&) {});
  }
  return transaction.is_raised();
}

// Why what could be queued may not run any more; empty: it may.
std::string_view not_permitted(Call& call, const Command& row, std::size_t number, Words words) {
  const security::Verdict verdict = call.services.users.judge(call.client, row, number, words);
  if (verdict.passes()) return {};
  security::note_refusal(call.services, call.lane, call.client, row, words, verdict,
                         security::Context::multi);
  switch (verdict.denial) {
    case security::Denial::key: return errors::exec_no_permission_keys;
    case security::Denial::channel: return errors::exec_no_permission_channels;
    default: return errors::exec_no_permission_command;
  }
}

void run_queued(Call& call, Transaction& transaction, const storage::HeldShards* held) {
  // Taken out first: what runs must not see itself as queued (a script asks whether it is in a
  // transaction).
  const std::vector<Transaction::Queued> queued = transaction.take_queued();
  call.reply.array(queued.size());
  std::vector<std::string_view> words;
  for (const Transaction::Queued& one : queued) {
    words.assign(one.words.begin(), one.words.end());
    const std::size_t number = call.services.registry.number_of(*one.row);
    if (const auto refusal = not_permitted(call, *one.row, number, words); !refusal.empty()) {
      call.lane.commands[number].rejected.add();
      call.reply.error(refusal);
      continue;
    }
    call.lane.counters.commands.add();
    call.services.dispatcher.run_inner(
        call.lane, call.client, *one.row, words, call.reply,
        {.number = number, .held = held, .now_ms = call.now_ms, .in_exec = true});
    if (call.services.monitors.any() && !(one.row->flags & (skip_monitor | admin))) {
      call.services.monitors.show(call.services.timeline.wall_us(call.lane.now_us), call.client,
                                  words, one.row->flags & touches_arguments, false);
    }
  }
}

void exec_holding(Call& call, Transaction& transaction, const storage::HeldShards* held) {
  if (watched_keys_changed(call, transaction, held)) return call.reply.null_array();
  run_queued(call, transaction, held);
}

void exec(Call& call) {
  if (!is_open(call)) return call.reply.error(errors::exec_without_multi);
  Transaction& transaction = *call.client.transaction;
  if (transaction.is_spoilt()) {
    transaction.close();
    return call.reply.error(errors::exec_abort);
  }
  const Reach reach = reach_of(call, transaction);
  if (reach.needs_all) {
    const Alone alone(call.services, call.lane);
    exec_holding(call, transaction, nullptr);
  } else {
    const storage::Hold hold(call.services.store, reach.keys);
    exec_holding(call, transaction, &hold.held());
  }
  // Locks are gone: forgetting the watches takes them again, one at a time.
  transaction.close();
}

constexpr Command table[] = {
    {.name = "MULTI",
     .arity = exactly(1),
     .flags = no_script | loading | stale | fast | control | allow_busy,
     .run = multi,
     .summary = "Starts a transaction.",
     .since = "1.2.0",
     .complexity = "O(1)"},
    {.name = "EXEC",
     .arity = exactly(1),
     .flags = no_script | loading | stale | skip_slowlog | control | runs_queue,
     .run = exec,
     .summary = "Executes all commands in a transaction.",
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction"},
    {.name = "DISCARD",
     .arity = exactly(1),
     .flags = no_script | loading | stale | fast | control | allow_busy,
     .run = discard,
     .summary = "Discards a transaction.",
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of queued commands"},
    {.name = "WATCH",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = no_script | loading | stale | fast | control | allow_busy,
     .run = watch,
     .summary = "Monitors changes to keys to determine the execution of a transaction.",
     .since = "2.2.0",
     .syntax = "key [key ...]",
     .complexity = "O(1) for every key",
     .access = Access::ro},
    {.name = "UNWATCH",
     .arity = exactly(1),
     .flags = no_script | loading | stale | fast | allow_busy,
     .run = unwatch,
     .summary = "Forgets about watched keys of a transaction.",
     .since = "2.2.0",
     .complexity = "O(1)"},
};

}  // namespace

const Family transactions{"transactions", table};

}  // namespace larder::server
