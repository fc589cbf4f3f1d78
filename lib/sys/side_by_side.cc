#include "lib/sys/side_by_side.h"

#include <poll.h>

#include <csignal>
#include <map>

#include "lib/base/error.h"

namespace stasis::sys {
namespace {

/// Waits until one of them ends, or for the outside to ask for an end; `told`: it has, and no longer counts.
void wait_for_news(const std::map<std::size_t, Running>& active, const Interrupts& interrupts, bool told) {
    std::vector<pollfd> waits;
    for (const auto& [place, running] : active) waits.push_back({running.pidfd(), POLLIN, 0});
    if (!told) waits.push_back({interrupts.fd(), POLLIN, 0});
    (void)::poll(waits.data(), waits.size(), told ? -1 : interrupts.poll_timeout_ms());
}

bool has_ended(const Running& running) {
    pollfd ended{running.pidfd(), POLLIN, 0};
    return ::poll(&ended, 1, 0) == 1;
}

}  // namespace

void run_side_by_side(const std::vector<Command>& commands, const SideBySide& how, Interrupts& interrupts) {
    std::map<std::size_t, Running> active;
    std::size_t next = 0;
    bool go_on = true;
    bool told = false;
    const auto begin = [&](std::size_t place) {
        how.on_start(place);
        try {
            active.emplace(place, Running::start(commands[place]));
        } catch (const Error& error) {
            go_on = how.on_end(place, {{}, "", error.message()});
        }
    };
    for (;;) {
        if (!told && interrupts.pending()) {
            told = true;
            go_on = false;
            for (const auto& [place, running] : active) running.signal(SIGTERM);
        }
        while (go_on && next < commands.size() && active.size() < how.jobs) begin(next++);
        if (active.empty()) return;
        wait_for_news(active, interrupts, told);
        for (auto it = active.begin(); it != active.end();) {
            if (!has_ended(it->second)) {
                ++it;
                continue;
            }
            go_on = how.on_end(it->first, it->second.finish(nullptr)) && go_on;
            it = active.erase(it);
        }
    }
}

}  // namespace stasis::sys
