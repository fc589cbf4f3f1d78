#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stasis {

/// What a failure means to the caller. cmd/exit_code.h alone maps it to an exit code.
enum class Kind {
    failed,          ///< the operation failed and the target is as it was
    usage,           ///< the command line makes no sense
    precondition,    ///< not root, no working CRIU, kernel too old
    not_found,       ///< no such target or checkpoint
    busy,            ///< another run holds it, the name is taken, or the target runs
    damaged,         ///< the checkpoint is damaged or does not fit this host
    target_changed,  ///< the operation failed and the target is NOT as it was
    interrupted,     ///< a signal asked us to stop; the target is as it was
    internal,        ///< a bug in stasis
};

/// The one exception type of the libraries: what failed, what to do about it, where to look.
/// Thrown by lib/, caught in cmd/main.cc.
class Error : public std::exception {
  public:
    Error(Kind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

    /// The remedy, in one sentence for the terminal.
    Error& hint(std::string text) {
        hint_ = std::move(text);
        return *this;
    }
    /// Why it failed, as a clause, where the message only says what.
    Error& cause(std::string text) {
        cause_ = std::move(text);
        return *this;
    }
    /// May the same operation work a moment later, with nothing done about it?
    Error& transient(bool passes) {
        transient_ = passes;
        return *this;
    }
    /// The path of the log that has the rest of the story.
    Error& log(std::string path) {
        log_ = std::move(path);
        return *this;
    }
    /// Lines that belong to the failure: quoted log lines, a list of mismatches.
    Error& details(std::vector<std::string> lines) {
        details_ = std::move(lines);
        return *this;
    }
    /// The signal that interrupted us; only with Kind::interrupted.
    Error& signal(int number) {
        signal_ = number;
        return *this;
    }
    /// Says the same of a target that the failure has changed.
    Error& kind(Kind kind) {
        kind_ = kind;
        return *this;
    }
    /// Puts "what we were doing" before the message.
    Error& context(std::string_view doing) {
        message_ = std::string(doing) + ": " + message_;
        return *this;
    }

    Kind kind() const { return kind_; }
    const std::string& message() const { return message_; }
    const std::string& hint() const { return hint_; }
    const std::string& cause() const { return cause_; }
    bool transient() const { return transient_; }
    const std::string& log() const { return log_; }
    const std::vector<std::string>& details() const { return details_; }
    std::optional<int> signal() const { return signal_; }
    const char* what() const noexcept override { return message_.c_str(); }

  private:
    Kind kind_;
    std::string message_;
    std::string hint_;
    std::string cause_;
    bool transient_ = false;
    std::string log_;
    std::vector<std::string> details_;
    std::optional<int> signal_;
};

/// An Error of Kind::failed for a system call that has just failed: `doing` and errno's text.
/// Reads errno first, so it may be called with a freshly formatted string only through
/// the errno_value parameter.
Error system_error(int errno_value, std::string_view doing);

}  // namespace stasis
