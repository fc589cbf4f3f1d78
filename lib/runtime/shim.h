#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Containers of an engine above containerd's shims. They are dumped for inspection: the engine would not know of a
/// restore by stasis. There is no list(): `--all` leaves them alone.
class ShimAdapter : public Adapter {
  public:
    std::string name() const override { return name_; }
    std::string version() const override;
    bool knows(const std::string& container) const override { return status(container) != Status::absent; }
    Status status(const std::string& container) const override;
    std::optional<std::vector<std::string>> list() const override { return std::nullopt; }
    bool made_since(const std::string&, std::filesystem::file_time_type) const override { return false; }
    Description describe(const std::string& container) const override;
    std::vector<Evidence> evidence(const std::string& container) const override;
    std::optional<Error> no_restore(const std::string& container) const override;
    bool restores() const override { return true; }
    bool restores_to_same_pids(const Json&) const override { return false; }
    std::vector<std::string> obstacles(const RestorePlan& plan) const override;
    proc::Identity restore(const RestorePlan& plan, sys::Interrupts& interrupts) const override;
    void kill(const std::string& container) const override;

  protected:
    /// `program` tells its version; `alternative` says how the engine itself makes a checkpoint.
    ShimAdapter(std::string name, std::string program, std::string alternative)
        : name_(std::move(name)), program_(std::move(program)), alternative_(std::move(alternative)) {}

    /// The folders of the container's tasks that live; more than one where a name is not unique.
    virtual std::vector<Path> tasks(const std::string& container) const = 0;
    /// Is there a container of this name, alive or not?
    virtual bool exists(const std::string& container) const { return !tasks(container).empty(); }

  private:
    std::string name_;
    std::string program_;
    std::string alternative_;
};

/// Containers of containerd, by their ids, in whatever namespace.
class ContainerdAdapter : public ShimAdapter {
  public:
    ContainerdAdapter() : ShimAdapter("containerd", "containerd", "`ctr container checkpoint`") {}

  protected:
    std::vector<Path> tasks(const std::string& container) const override;
};

/// Containers of docker, by name or by the beginning of the id.
class DockerAdapter : public ShimAdapter {
  public:
    DockerAdapter() : ShimAdapter("docker", "docker", "`docker checkpoint` (experimental)") {}
    std::string name_of(const std::string& container) const override;

  protected:
    std::vector<Path> tasks(const std::string& container) const override;
    bool exists(const std::string& container) const override;
};

}  // namespace stasis::runtime
