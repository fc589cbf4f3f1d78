#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Any process tree of this host, named by the pid of its root: `pid:4242`.
class PidAdapter : public Adapter {
  public:
    std::string name() const override { return "pid"; }
    std::string version() const override { return ""; }
    bool knows(const std::string& container) const override;
    Status status(const std::string& container) const override;
    std::optional<std::vector<std::string>> list() const override { return std::nullopt; }
    bool made_since(const std::string&, std::filesystem::file_time_type) const override { return false; }
    Description describe(const std::string& container) const override;
    bool restores() const override { return false; }
    bool restores_to_same_pids(const Json& details) const override;
    std::vector<std::string> obstacles(const RestorePlan& plan) const override;
    proc::Identity restore(const RestorePlan& plan, sys::Interrupts& interrupts) const override;
    void kill(const std::string& container) const override;
};

}  // namespace stasis::runtime
