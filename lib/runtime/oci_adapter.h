#pragma once

#include "lib/runtime/runtime.h"

namespace stasis::runtime {

/// Containers of an OCI runtime with runc's commands, found in its state folder (`--root`).
class OciAdapter : public Adapter {
  public:
    std::string name() const override { return program_; }
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

  protected:
    /// `state_file` is what a container's folder in `root` has as soon as there is a container.
    OciAdapter(std::string program, Path root, std::string state_file)
        : program_(std::move(program)), root_(std::move(root)), state_file_(std::move(state_file)) {}

    /// A restore of one container, under way.
    struct Restore {
        const RestorePlan& plan;
        Path bundle;
        Path log;  ///< the runtime's own
        Path pid_file;
    };

    /// Why it can't restore any container, or "".
    virtual std::string restore_obstacle() const { return ""; }
    /// Does podman look after it? Its containers lie in the runtime's default folder.
    virtual bool is_podmans(const std::string& container) const = 0;
    /// Under which key the runtime's restore takes a mount from outside.
    virtual std::string mount_key(const proc::Mount& mount) const = 0;
    /// What only this runtime needs to know of a container, in its details and elsewhere.
    virtual void complete(Description&) const {}
    /// Lines for CRIU's configuration at a restore beside those of all runtimes.
    virtual std::string criu_configuration(const RestorePlan&) const { return ""; }
    /// The command line that restores.
    virtual std::vector<std::string> restore_command(const Restore& restore) const = 0;
    /// Removes what a restore that failed or was killed has left outside of the runtime's own folder. Only called
    /// while the container does not run.
    virtual void clear_remains(const Json& /*details*/) const {}

    /// `PROGRAM --root R WORDS…`
    std::vector<std::string> command(const std::vector<std::string>& words) const;
    /// The words of a restore that all of these runtimes take; the caller adds its own, and the container's name.
    std::vector<std::string> restore_words(const Restore& restore) const;
    Path folder_of(const std::string& container) const { return root_ / container; }

  private:
    /// What `state` prints, or nothing where the runtime knows no such container.
    /// Throws where it knows one but can't tell its state.
    std::optional<Json> state(const std::string& container) const;
    /// The file with what CRIU is to know at a restore.
    Path write_criu_configuration(const RestorePlan& plan) const;
    /// Removes what is left of a container that does not run.
    void clear_away(const std::string& container, const Json& details) const;

    std::string program_;
    Path root_;
    std::string state_file_;
};

}  // namespace stasis::runtime
