#include "cmd/output.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "cmd/exit_code.h"

namespace stasis {
namespace {

/// One write for each line: lines of several runs in one log don't mix.
void to_stderr(const std::string& line) { (void)!::write(STDERR_FILENO, line.data(), line.size()); }

class TerminalProgress : public Progress {
  public:
    TerminalProgress(bool steps, bool details, bool warnings) : steps_(steps), details_(details), warnings_(warnings) {}
    ~TerminalProgress() override { clear(); }

    void step(std::string_view what) override {
        if (details_)
            to_stderr(fmt::format("stasis: {}\n", what));
        else if (steps_) {
            to_stderr(fmt::format("\r\033[K{} …", what));
            shown_ = true;
        }
    }
    void warn(std::string_view what) override {
        if (!warnings_) return;
        clear();
        to_stderr(fmt::format("stasis: warning: {}\n", what));
    }
    void detail(std::string_view what) override {
        if (details_) to_stderr(fmt::format("stasis: {}\n", what));
    }

  private:
    void clear() {
        if (shown_) to_stderr("\r\033[K");
        shown_ = false;
    }
    bool steps_;
    bool details_;
    bool warnings_;
    bool shown_ = false;
};

}  // namespace

std::unique_ptr<Progress> make_progress(const Globals& globals) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    return std::make_unique<TerminalProgress>(terminal && !globals.quiet, globals.verbose, !globals.quiet);
}

void print_text(const std::string& text) {
    (void)std::fwrite(text.data(), 1, text.size(), stdout);
    (void)std::fflush(stdout);
}

void print_json(const Json& json) { print_text(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"); }

void print_table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const std::vector<std::string>& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const std::vector<std::string>& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    print_text(text);
}

Json to_json(const Error& error) {
    return {{"type", "error"},
            {"exit_code", exit_code(error)},
            {"message", error.message()},
            {"details", error.details()},
            {"cause", error.cause()},
            {"transient", error.transient()},
            {"hint", error.hint()},
            {"log", error.log()}};
}

void print_error(const Error& error, bool json) {
    std::string text = fmt::format("stasis: error: {}\n", error.message());
    for (const std::string& line : error.details()) text += fmt::format("    {}\n", line);
    if (!error.cause().empty()) text += fmt::format("stasis: cause: {}\n", error.cause());
    if (!error.hint().empty()) text += fmt::format("stasis: hint: {}\n", error.hint());
    if (!error.log().empty()) text += fmt::format("stasis: log: {}\n", error.log());
    if (error.kind() == Kind::internal) text += "stasis: this is a bug in stasis; please report it with this output\n";
    to_stderr(text);
    if (!json) return;
    to_stderr(to_json(error).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string human_bytes(unsigned long long bytes) {
    constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_time(long long microseconds) {
    if (microseconds < 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(microseconds) / 1e3);
    return fmt::format("{:.3f} s", static_cast<double>(microseconds) / 1e6);
}

std::string human_span(long long microseconds) {
    struct Unit {
        long long seconds;
        const char* name;
    };
    static constexpr std::array<Unit, 4> kUnits{{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}};
    const long long seconds = std::abs(microseconds) / 1'000'000;
    const char* sign = microseconds < 0 && seconds > 0 ? "-" : "";
    const auto* unit =
        std::find_if(kUnits.begin(), kUnits.end() - 1, [&](const Unit& one) { return seconds >= one.seconds; });
    std::string text = fmt::format("{}{} {}", sign, seconds / unit->seconds, unit->name);
    if (unit->seconds == 1) return text;
    const long long rest = seconds % unit->seconds;
    ++unit;
    return text + fmt::format(" {} {}", rest / unit->seconds, unit->name);
}

}  // namespace stasis
