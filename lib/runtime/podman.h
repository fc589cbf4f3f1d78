#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Containers of podman, as root, which run in runc. Where podman keeps them it learns from its own files, or from
/// CONTAINERS_STORAGE_CONF and CONTAINERS_CONF in our environment.
class PodmanAdapter : public Adapter {
  public:
    std::string name() const override { return "podman"; }
    std::string version() const override;
    bool knows(const std::string& container) const override;
    std::string name_of(const std::string& container) const override;
    Status status(const std::string& container) const override;
    std::optional<std::vector<std::string>> list() const override;
    bool made_since(const std::string& container, std::filesystem::file_time_type moment) const override;
    Description describe(const std::string& container) const override;
    std::vector<Evidence> evidence(const std::string& container) const override;
    bool restores() const override { return true; }
    std::string lazy_obstacle() const override { return "podman has no lazy restore"; }
    bool restores_to_same_pids(const Json&) const override { return false; }
    std::vector<std::string> obstacles(const RestorePlan& plan) const override;
    bool make_again(const RestorePlan& plan) const override;
    std::optional<Path> layer(const std::string& container) const override;
    void write_archive(const ArchiveParts& parts, sys::Archive& archive, sys::Interrupts& interrupts) const override;
    proc::Identity restore(const RestorePlan& plan, sys::Interrupts& interrupts) const override;
    void kill(const std::string& container) const override;
    void keep_stopped(const std::string& container) const override;
    void put_away(const std::string& container) const override;
    void remove(const std::string& container, const Json& details) const override;
};

}  // namespace stasis::runtime
