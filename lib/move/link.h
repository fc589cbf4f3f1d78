#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/move/channel.h"
#include "lib/sys/child.h"

namespace stasis::move {

/// Another host, and how it is reached.
struct Destination {
    std::string host;  ///< [USER@]HOST, as ssh understands it
    std::vector<std::string> ssh{"ssh"};
    std::optional<sys::Path> identity;
    std::optional<int> port;
    bool sudo = false;
    std::vector<std::string> stasis{"stasis"};  ///< how it is called there
    std::vector<std::string> receive_options;   ///< for its `receive`
};

/// The words of a command line, taken apart as a shell does at blanks, quotes and backslashes, and nothing more.
/// Throws Kind::usage where a quote is not closed or there is no word.
std::vector<std::string> split_words(const std::string& text);

/// A word as a shell, or split_words(), takes it for itself.
std::string quoted(const std::string& word);

/// What is run to reach a host. ssh hands the far side's words to a shell there: they are quoted.
std::vector<std::string> command_line(const Destination& to);

/// A stasis on another host, at the other end of an ssh.
class Link {
  public:
    /// Starts ssh and greets; throws Kind::failed with what ssh said where that does not work. ssh may ask
    /// for a passphrase on the terminal meanwhile.
    Link(const Destination& to, sys::Interrupts& interrupts);

    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    ~Link();

    Channel& channel() { return *channel_; }
    const Hello& peer() const { return peer_; }

    /// Where the link is lost: adds what ssh and the far side printed to the error that came of it.
    void explain(Error& error);

  private:
    std::string host_;
    std::string command_;  ///< how it was reached, for hints
    sys::UniqueFd said_;
    std::optional<sys::Child> ssh_;
    std::unique_ptr<Channel> channel_;
    Hello peer_;
};

}  // namespace stasis::move
