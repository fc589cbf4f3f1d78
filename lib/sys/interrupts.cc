#include "lib/sys/interrupts.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "lib/base/error.h"

namespace stasis::sys {

Interrupts::Interrupts(Deadline deadline) : deadline_(deadline) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    (void)sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw system_error(errno, "create a signalfd");
}

int Interrupts::poll_timeout_ms() const {
    if (!deadline_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
    return static_cast<int>(std::clamp<long long>(left.count(), 0, 1'000'000'000));
}

bool Interrupts::pending() {
    signalfd_siginfo info;
    if (signals_ && !signal_ && ::read(signals_.get(), &info, sizeof info) == sizeof info)
        signal_ = static_cast<int>(info.ssi_signo);
    return signal_.has_value() || (deadline_ && Clock::now() >= *deadline_);
}

void Interrupts::pause(std::chrono::milliseconds time) {
    const Clock::time_point end = Clock::now() + time;
    check();
    for (auto left = time; left.count() > 0; left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now())) {
        int timeout = static_cast<int>(left.count());
        if (const int deadline = poll_timeout_ms(); deadline >= 0) timeout = std::min(timeout, deadline);
        pollfd signal{fd(), POLLIN, 0};
        (void)::poll(&signal, 1, timeout);
        check();
    }
}

void Interrupts::check() {
    if (!pending()) return;
    if (signal_) throw Error(Kind::interrupted, std::string("interrupted by ") + strsignal(*signal_)).signal(*signal_);
    if (!step_.empty()) throw Error(Kind::failed, step_ + " did not end in time");
    throw Error(Kind::failed, "the operation did not finish within its --timeout")
        .hint("give it more time with --timeout SECONDS, or try again when the machine is less busy");
}

StepLimit::StepLimit(Interrupts& interrupts, std::chrono::seconds time, std::string step)
    : interrupts_(interrupts), before_(interrupts.deadline_) {
    const Clock::time_point end = Clock::now() + time;
    if (before_ && *before_ <= end) return;
    interrupts_.deadline_ = end;
    interrupts_.step_ = std::move(step);
}

StepLimit::~StepLimit() {
    interrupts_.deadline_ = before_;
    interrupts_.step_.clear();
}

}  // namespace stasis::sys
