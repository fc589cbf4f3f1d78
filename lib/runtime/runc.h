#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Containers of runc, found in its state folder (`runc --root`).
class RuncAdapter : public Adapter {
  public:
    explicit RuncAdapter(Path root) : root_(std::move(root)) {}

    std::string name() const override { return "runc"; }
    std::string version() const override;
    bool knows(const std::string& container) const override;
    Status status(const std::string& container) const override;
    std::optional<std::vector<std::string>> list() const override;
    bool made_since(const std::string& container, std::filesystem::file_time_type moment) const override;
    Description describe(const std::string& container) const override;
    std::vector<Evidence> evidence(const std::string& container) const override;
    bool restores() const override { return true; }
    bool restores_to_same_pids(const Json&) const override { return false; }
    std::vector<std::string> obstacles(const RestorePlan& plan) const override;
    proc::Identity restore(const RestorePlan& plan, sys::Interrupts& interrupts) const override;
    void kill(const std::string& container) const override;
    void remove(const std::string& container, const Json& details) const override;

  private:
    /// `runc --root R WORDS…`
    std::vector<std::string> command(const std::vector<std::string>& words) const;
    /// What `runc state` prints, or nothing where runc knows no such container.
    /// Throws where it knows one but can't tell its state.
    std::optional<Json> state(const std::string& container) const;
    /// Removes what is left of a container that does not run.
    void clear_away(const std::string& container) const;

    Path root_;
};

}  // namespace stasis::runtime
