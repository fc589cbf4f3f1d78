#include "lib/runtime/refused.h"

#include <functional>

#include "lib/base/error.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

struct Engine {
    std::string name;
    std::string program;
    /// Whether a container of this name is there; nothing of the engine need be installed or running.
    std::function<Status(const std::string& container)> status;
    std::function<Error(const std::string& container)> refusal;
};

/// LXD and Incus keep a folder for each container, and one of liblxc's sockets for one that runs (5.0.2, commands.c).
Status status_in_lxd(const std::vector<Path>& folders, const std::string& container) {
    for (const Path& folder : folders) {
        std::error_code missing;
        const Path own = folder / "containers" / container;
        if (!std::filesystem::exists(std::filesystem::symlink_status(own, missing))) continue;
        const std::string sockets = sys::read_file_if_exists("/proc/net/unix").value_or("");
        return sockets.find("@" + own.string() + "/command") != std::string::npos ? Status::running : Status::stopped;
    }
    return Status::absent;
}

Error refuse(const std::string& container, const std::string& why) {
    return {Kind::failed, "the container '" + container + "' " + why + "; nothing was touched"};
}

Error refusal_of_lxd(const std::string& container) {
    return refuse(container, "belongs to LXD, which would not know of a restore by stasis")
        .hint(
            "LXD itself has `lxc stop --stateful` and `lxc snapshot --stateful` (with migration.stateful=true); stasis "
            "keeps containers of LXC (lxc-create), with the same images");
}

Error refusal_of_incus(const std::string& container) {
    return refuse(container, "belongs to Incus, which would not know of a restore by stasis")
        .hint(
            "Incus itself has `incus stop --stateful` and `incus snapshot create --stateful` (with "
            "migration.stateful=true); stasis keeps containers of LXC (lxc-create), with the same images");
}

class RefusedAdapter : public Adapter {
  public:
    explicit RefusedAdapter(Engine engine) : engine_(std::move(engine)) {}

    std::string name() const override { return engine_.name; }
    std::string version() const override { return sys::version_of(engine_.program); }
    bool knows(const std::string& container) const override { return status(container) != Status::absent; }
    Status status(const std::string& container) const override { return engine_.status(container); }
    std::optional<std::vector<std::string>> list() const override { return std::nullopt; }
    bool made_since(const std::string&, std::filesystem::file_time_type) const override { return false; }
    Description describe(const std::string& container) const override {
        require_known(container);
        throw engine_.refusal(container);
    }
    bool restores() const override { return true; }
    bool restores_to_same_pids(const Json&) const override { return false; }
    std::vector<std::string> obstacles(const RestorePlan& plan) const override {
        return {engine_.refusal(plan.name).message()};
    }
    proc::Identity restore(const RestorePlan& plan, sys::Interrupts&) const override {
        throw engine_.refusal(plan.name);
    }
    void kill(const std::string& container) const override { throw engine_.refusal(container); }

  private:
    Engine engine_;
};

}  // namespace

std::vector<std::unique_ptr<Adapter>> make_refused_adapters() {
    const auto status_in_deb_or_snap = [](const std::string& container) {
        return status_in_lxd({"/var/lib/lxd", "/var/snap/lxd/common/lxd"}, container);
    };
    const auto status_in_incus = [](const std::string& container) {
        return status_in_lxd({"/var/lib/incus"}, container);
    };
    std::vector<std::unique_ptr<Adapter>> adapters;
    for (Engine& engine : std::vector<Engine>{{"lxd", "lxd", status_in_deb_or_snap, refusal_of_lxd},
                                              {"incus", "incusd", status_in_incus, refusal_of_incus}})
        adapters.push_back(std::make_unique<RefusedAdapter>(std::move(engine)));
    return adapters;
}

}  // namespace stasis::runtime
