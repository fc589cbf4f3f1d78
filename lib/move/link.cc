#include "lib/move/link.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <sstream>

namespace stasis::move {
namespace {

/// How long ssh may take to end once its link is lost.
constexpr int kLastWordsMs = 1000;
constexpr int kGoodbyeMs = 5000;

std::pair<sys::UniqueFd, sys::UniqueFd> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw system_error(errno, "create a pipe");
    constexpr int kRoom = 1 << 20;  // ssh goes on while we look for what to send
    (void)::fcntl(ends[1], F_SETPIPE_SZ, kRoom);
    return {sys::UniqueFd(ends[0]), sys::UniqueFd(ends[1])};
}

}  // namespace

std::string quoted(const std::string& word) {
    std::string text = "'";
    for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
    return text + "'";
}

std::vector<std::string> split_words(const std::string& text) {
    std::vector<std::string> words;
    char quote = '\0';
    bool in_word = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote == '\0' && std::isspace(static_cast<unsigned char>(c)) != 0) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        if (c == quote)
            quote = '\0';
        else if (quote == '\0' && (c == '\'' || c == '"'))
            quote = c;
        else if (c == '\\' && quote != '\'' && i + 1 < text.size())
            words.back() += text[++i];
        else
            words.back() += c;
    }
    if (quote != '\0') throw Error(Kind::usage, "a quote in '" + text + "' is not closed");
    if (words.empty()) throw Error(Kind::usage, "there is no command in '" + text + "'");
    return words;
}

std::vector<std::string> command_line(const Destination& to) {
    if (to.host.empty() || to.host.front() == '-')
        throw Error(Kind::usage, "'" + to.host + "' is not a host").hint("name it as ssh does: [USER@]HOST");
    std::vector<std::string> words = to.ssh;
    if (to.port) words.insert(words.end(), {"-p", std::to_string(*to.port)});
    if (to.identity) words.insert(words.end(), {"-i", to.identity->string()});
    words.push_back(to.host);
    if (to.sudo) words.insert(words.end(), {"sudo", "-n", "--"});
    for (const std::string& word : to.stasis) words.push_back(quoted(word));
    words.emplace_back("receive");
    for (const std::string& word : to.receive_options) words.push_back(quoted(word));
    return words;
}

Link::Link(const Destination& to, sys::Interrupts& interrupts) : host_(to.host), said_(sys::memory_file("ssh")) {
    auto [their_in, our_out] = make_pipe();
    auto [our_in, their_out] = make_pipe();
    sys::Command command;
    command.args = command_line(to);
    for (std::size_t i = 0; i + 1 < command.args.size(); ++i) command_ += (i == 0 ? "" : " ") + command.args[i];
    command.in = their_in.get();
    command.out = their_out.get();
    command.err = said_.get();
    // It may have to ask on the terminal, which it can only in our group; Ctrl-C is for us to act on.
    command.own_process_group = false;
    command.blocked_signals = {SIGINT};
    ssh_.emplace(sys::Child::start(command));
    their_in.reset();
    their_out.reset();
    channel_ = std::make_unique<Channel>(std::move(our_in), std::move(our_out));
    try {
        peer_ = channel_->greet(interrupts);
    } catch (Error& error) {
        explain(error);
        throw error.context("cannot talk to stasis on '" + host_ + "'");
    }
}

Link::~Link() {
    // The far side ends when it hears no more, and ssh with it; what is on its way still arrives.
    channel_.reset();
    pollfd ended{ssh_ ? ssh_->pidfd() : -1, POLLIN, 0};
    if (ssh_) (void)::poll(&ended, 1, kGoodbyeMs);
}

void Link::explain(Error& error) {
    if (!channel_->is_lost()) return;
    pollfd ended{ssh_->pidfd(), POLLIN, 0};
    if (::poll(&ended, 1, kLastWordsMs) != 1) return;
    std::vector<std::string> lines = error.details();
    std::istringstream said(sys::read_all(said_.get(), "ssh's errors"));
    constexpr std::size_t kMostLines = 10;
    for (std::string line; lines.size() < kMostLines && std::getline(said, line);)
        lines.push_back(host_ + ": " + printable(line));
    error.details(lines);
    if (error.hint().empty()) error.hint("`" + command_ + " --version` must work");
}

}  // namespace stasis::move
