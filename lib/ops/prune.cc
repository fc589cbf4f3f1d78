#include "lib/ops/prune.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/ops/manage.h"

namespace stasis::ops {
namespace {

/// Numbers of the periods that a moment lies in; they grow with time.
struct Periods {
    long long hour;
    long long day;
    long long week;
    long long month;
};

Periods periods_of(const std::string& created) {
    const std::optional<Microseconds> time = parse_utc(created);
    if (!time) throw Error(Kind::damaged, "'" + created + "' is no time of a checkpoint");
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(*time).count();
    std::tm utc{};
    (void)::gmtime_r(&seconds, &utc);
    const long long hour = seconds / 3600;
    const long long day = hour / 24;
    constexpr int kThursday = 3;  // the first day of Unix time, counted from Monday
    return {hour, day, (day + kThursday) / 7, utc.tm_year * 12LL + utc.tm_mon};
}

/// One rule: the first of each period, as long as there are some left to keep.
class Rule {
  public:
    Rule(const char* name, unsigned left) : name_(name), left_(left) {}

    void look_at(Kept& checkpoint, long long period) {
        if (left_ == 0 || period == period_) return;
        period_ = period;
        --left_;
        checkpoint.reasons.emplace_back(name_);
    }

  private:
    const char* name_;
    unsigned left_;
    long long period_ = -1;
};

}  // namespace

std::vector<Kept> select(const std::vector<store::Entry>& entries, const KeepRules& rules) {
    std::vector<Kept> newest_first;
    Rule last("last", rules.last);
    Rule hourly("hourly", rules.hourly);
    Rule daily("daily", rules.daily);
    Rule weekly("weekly", rules.weekly);
    Rule monthly("monthly", rules.monthly);
    bool seen_stop = false;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        if (!entry->found.manifest) continue;
        const std::string& kind = entry->found.manifest->kind;
        Kept checkpoint{entry->checkpoint, kind, entry->created(), {}};
        if (kind == "stop" && !seen_stop) {
            seen_stop = true;
            checkpoint.reasons.emplace_back("stop");
        }
        const Periods periods = periods_of(entry->created());
        last.look_at(checkpoint, static_cast<long long>(newest_first.size()));
        hourly.look_at(checkpoint, periods.hour);
        daily.look_at(checkpoint, periods.day);
        weekly.look_at(checkpoint, periods.week);
        monthly.look_at(checkpoint, periods.month);
        newest_first.push_back(std::move(checkpoint));
    }
    std::reverse(newest_first.begin(), newest_first.end());
    return newest_first;
}

PruneReport prune(Context& context, const std::string& target, const KeepRules& rules, bool dry_run) {
    require_root();
    if (!rules.any())
        throw Error(Kind::usage, "nothing says which checkpoints are to be kept")
            .hint("give at least one of --keep-last, --keep-hourly, --keep-daily, --keep-weekly and --keep-monthly");
    const Target found = resolve(context, target);
    const store::ContainerLock lock = context.store.lock(found.runtime(), found.container);
    PruneReport report{found.text(), select(context.store.list(found.runtime(), found.container), rules)};
    for (const Kept& checkpoint : report.checkpoints) {
        if (dry_run || !checkpoint.reasons.empty()) continue;
        context.interrupts.check();
        remove_locked(context.store.location(found.runtime(), found.container, checkpoint.checkpoint));
    }
    return report;
}

}  // namespace stasis::ops
