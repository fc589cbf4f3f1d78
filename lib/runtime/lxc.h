#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Containers of LXC, as root, whose root file system is a folder.
class LxcAdapter : public Adapter {
  public:
    /// Where LXC keeps its containers (`lxc-start --lxcpath`); without, where `lxc-config lxc.lxcpath` says.
    explicit LxcAdapter(std::optional<Path> path) : path_(std::move(path)) {}

    std::string name() const override { return "lxc"; }
    std::string version() const override;
    bool knows(const std::string& container) const override;
    Status status(const std::string& container) const override;
    std::optional<std::vector<std::string>> list() const override;
    bool made_since(const std::string& container, std::filesystem::file_time_type moment) const override;
    Description describe(const std::string& container) const override;
    std::vector<Evidence> evidence(const std::string& container) const override;
    bool restores() const override { return true; }
    std::string lazy_obstacle() const override { return "LXC has no lazy restore"; }
    bool restores_to_same_pids(const Json&) const override { return false; }
    std::vector<std::string> obstacles(const RestorePlan& plan) const override;
    proc::Identity restore(const RestorePlan& plan, sys::Interrupts& interrupts) const override;
    void kill(const std::string& container) const override;
    void put_away(const std::string& container) const override;
    void remove(const std::string& container, const Json& details) const override;

  private:
    /// The folder of all containers; empty where LXC is not installed.
    Path folder() const;
    std::vector<std::string> command(const std::string& program, const std::string& container) const;
    Path config_of(const std::string& container) const;
    /// One value of its configuration: what it runs with, or would; or one of another file.
    std::string setting(const std::string& container, const std::string& key, const Path& file = {}) const;
    std::optional<proc::Stat> init(const std::string& container) const;
    /// Throws Kind::failed, with the words of who failed.
    proc::Identity bring_back(const RestorePlan& plan, sys::Interrupts& interrupts) const;
    /// Throws Kind::failed for what `lxc-checkpoint -r` can't bring back.
    void refuse_unsupported(const std::string& container) const;
    /// What lxc.mount.entry binds from the host.
    std::vector<BindMount> bind_mounts(const std::string& container) const;

    std::optional<Path> path_;
};

}  // namespace stasis::runtime
