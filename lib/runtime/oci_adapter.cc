#include "lib/runtime/oci_adapter.h"

#include <unistd.h>

#include <cstdlib>

#include "lib/base/error.h"
#include "lib/proc/orphans.h"
#include "lib/runtime/oci.h"
#include "lib/runtime/stdio.h"
#include "lib/sys/child.h"

namespace stasis::runtime {
namespace {

constexpr int kDeathTimeoutMs = 10'000;

Status parse_status(const std::string& text) {
    if (text == "running") return Status::running;
    if (text == "paused") return Status::paused;
    if (text == "created") return Status::created;
    return Status::stopped;
}

/// What a runtime fails for comes last in its log; warnings of what came of it come before.
std::string last_line(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text.substr(text.rfind('\n') + 1);
}

}  // namespace

std::vector<std::string> OciAdapter::command(const std::vector<std::string>& words) const {
    std::vector<std::string> args{program_, "--root", root_};
    args.insert(args.end(), words.begin(), words.end());
    return args;
}

std::string OciAdapter::version() const { return sys::version_of(program_); }

bool OciAdapter::knows(const std::string& container) const {
    return ::access((folder_of(container) / state_file_).c_str(), F_OK) == 0;
}

std::optional<Json> OciAdapter::state(const std::string& container) const {
    if (!knows(container)) return std::nullopt;
    sys::Command command;
    command.args = this->command({"state", container});
    const sys::RunResult result = sys::run(command);
    if (result.status.ok()) return Json::parse(result.out);
    if (!knows(container)) return std::nullopt;  // deleted meanwhile
    // It may run: nobody must take it for absent, and restore over it.
    throw Error(Kind::failed,
                "`" + program_ + " state " + container + "` does not work: " + sys::first_line(result.err));
}

Status OciAdapter::status(const std::string& container) const {
    const std::optional<Json> known = state(container);
    return known ? parse_status(known->at("status")) : Status::absent;
}

std::optional<std::vector<std::string>> OciAdapter::list() const {
    std::vector<std::string> names = sys::list_directory(root_);
    std::erase_if(names, [this](const std::string& name) { return !knows(name) || is_podmans(name); });
    return names;
}

bool OciAdapter::made_since(const std::string& container, std::filesystem::file_time_type moment) const {
    // It makes the folder for the container, and later replaces what is in it.
    std::error_code missing;
    const auto changed = std::filesystem::last_write_time(folder_of(container) / state_file_, missing);
    return !missing && changed > moment;
}

Description OciAdapter::describe(const std::string& container) const {
    require_known(container);
    if (is_podmans(container))
        throw Error(Kind::failed, "the container '" + container + "' belongs to podman")
            .hint("name it as podman:" + container);
    if (const std::string obstacle = restore_obstacle(); !obstacle.empty())
        throw Error(Kind::failed, "the container '" + container + "' could be dumped, but never restored: " + obstacle)
            .hint("make it again with runc, which takes the same bundle");
    const std::optional<Json> known = state(container);
    if (!known) throw Error(Kind::failed, "the container '" + container + "' was deleted while we looked at it");
    const Status status = parse_status(known->at("status"));
    if (status == Status::created || status == Status::stopped)
        throw Error(Kind::failed, "the container '" + container + "' is " + known->at("status").get<std::string>() +
                                      ": there is no running process to dump")
            .hint(status == Status::created ? "`" + program_ + " start " + container + "` first"
                                            : "`stasis restore` brings a stop state back");
    const std::optional<proc::Stat> init = proc::read_stat(known->at("pid"));
    if (!init) throw Error(Kind::failed, "the container '" + container + "' ended while we looked at it");

    const Path bundle = known->at("bundle").get<std::string>();
    const OciContainer found{bundle, bundle / known->at("rootfs").get<std::string>(), init->id,
                             status == Status::paused};
    const auto key = [this](const proc::Mount& mount) { return mount_key(mount); };
    Description description = describe_oci(found, read_oci_config(bundle), key);
    description.runtime = name();
    description.name = container;
    description.details["root"] = root_.string();
    complete(description);
    return description;
}

std::vector<Evidence> OciAdapter::evidence(const std::string& container) const {
    require_known(container);
    const auto state = [this, container] { return sys::ask(command({"state", container})); };
    const auto config = [state] {
        return sys::read_file(Path(Json::parse(state()).at("bundle").get<std::string>()) / "config.json");
    };
    return {{"state.json", state, EvidenceFormat::json}, {"config.json", config, EvidenceFormat::json}};
}

std::vector<std::string> OciAdapter::obstacles(const RestorePlan& plan) const {
    std::vector<std::string> found;
    if (const std::string obstacle = restore_obstacle(); !obstacle.empty()) found.push_back(obstacle);
    const Path bundle = plan.details.at("bundle").get<std::string>();
    const std::optional<std::string> config = sys::read_file_if_exists(bundle / "config.json");
    if (config && *config != sys::read_file(plan.runtime_files / "config.json"))
        found.push_back("'" + (bundle / "config.json").string() +
                        "' has changed since the dump; the one it needs is '" +
                        (plan.runtime_files / "config.json").string() + "'");
    const std::string network = plan.details.at("network_path");
    if (!network.empty() && ::access(network.c_str(), F_OK) != 0)
        found.push_back("the network namespace '" + network + "' is not there; create it, with its addresses, first");
    if (plan.details.at("console").get<bool>() && !plan.console_socket)
        found.push_back(
            "it has a console, whose other end someone must hold: name a socket with --console-socket, as for `" +
            program_ + " run`");
    return found;
}

void OciAdapter::clear_away(const std::string& container, const Json& details) const {
    clear_remains(details);
    if (!std::filesystem::exists(std::filesystem::symlink_status(root_ / container))) return;
    sys::Command remove;
    remove.args = command({"delete", container});
    // One that was killed before it wrote a state has left a folder without one; only --force removes it.
    if (!knows(container)) remove.args = command({"delete", "--force", container});
    (void)sys::run_or_throw(remove);
}

std::vector<std::string> OciAdapter::restore_words(const Restore& restore) const {
    std::vector<std::string> words{"--log",
                                   restore.log,
                                   "restore",
                                   "--detach",
                                   "--pid-file",
                                   restore.pid_file,
                                   "--bundle",
                                   restore.bundle,
                                   "--image-path",
                                   restore.plan.images,
                                   "--work-path",
                                   restore.plan.logs,
                                   "--manage-cgroups-mode",
                                   "soft",
                                   "--tcp-established",
                                   "--file-locks"};
    if (const auto& console = restore.plan.console_socket)
        words.insert(words.end(), {"--console-socket", console->string()});
    return words;
}

Path OciAdapter::write_criu_configuration(const RestorePlan& plan) const {
    // A runtime's restore has no flag for most of CRIU's options; CRIU reads them from this file.
    const Path file = plan.logs / (plan.log_name + ".conf");
    // Works beside the runtime's own options (runc 1.1.5, crun 1.21, CRIU 4.2.1), which then says that it runs.
    const std::string hold = plan.hold ? "leave-stopped\n" : "";
    sys::write_file_atomically(
        file,
        plan.criu_configuration + inherit_configuration(plan.details.at("stdio")) + criu_configuration(plan) + hold,
        0600);
    return file;
}

proc::Identity OciAdapter::restore(const RestorePlan& plan, sys::Interrupts& interrupts) const {
    const Path bundle = plan.details.at("bundle").get<std::string>();
    if (!std::filesystem::exists(bundle / "config.json")) {
        std::filesystem::create_directories(bundle);
        sys::write_file_atomically(bundle / "config.json", sys::read_file(plan.runtime_files / "config.json"), 0644);
    }
    end_remains(plan.details.at("freezer").get<std::string>());
    clear_away(plan.name, plan.details);

    const Path configuration = write_criu_configuration(plan);
    const Restore under_way{plan, bundle, plan.logs / (plan.log_name + "." + program_),
                            plan.logs / (plan.log_name + ".pid")};
    sys::Command restore;
    restore.args = restore_command(under_way);
    restore.set_env = {"PATH=" + plan.search_path(), "CRIU_CONFIG_FILE=" + configuration.string()};
    const std::array<sys::UniqueFd, 3> stdio = open_again(plan.details.at("stdio"));
    restore.in = stdio[0].get();
    restore.out = stdio[1].get();
    restore.err = stdio[2].get();
    if (plan.lock_fd >= 0) restore.descriptors.emplace_back(plan.lock_fd, plan.lock_fd);
    const proc::Orphans orphans;
    sys::Child runtime = sys::Child::start(restore);
    const sys::WaitStatus ended = wait_for_restore(runtime, runtime.pid(), interrupts);

    const Path criu_log = plan.logs / plan.log_name;
    (void)::rename((plan.logs / "restore.log").c_str(), criu_log.c_str());
    if (!ended.ok()) {
        orphans.end_all();
        clear_remains(plan.details);
        interrupts.check();
        throw Error(Kind::failed, program_ + " restore ended with " + ended.describe())
            .details({last_line(sys::read_file_if_exists(under_way.log).value_or(""))})
            .log(criu_log);
    }
    if (plan.details.at("paused").get<bool>()) {
        sys::Command pause;
        pause.args = command({"pause", plan.name});
        pause_or_kill(plan.name, [&] { (void)sys::run_or_throw(pause); });
    }
    const std::optional<proc::Stat> init = proc::read_stat(std::stoi(sys::read_file(under_way.pid_file)));
    if (!init || !proc::is_alive(init->id))
        throw Error(Kind::failed, "the container ended right after it was restored").log(criu_log);
    return init->id;
}

void OciAdapter::kill(const std::string& container) const {
    const std::optional<Json> known = state(container);
    if (!known) return;
    const std::optional<proc::Stat> init = proc::read_stat(known->at("pid"));
    sys::Command kill;
    kill.args = command({"kill", container, "KILL"});
    (void)sys::run_or_throw(kill);
    if (parse_status(known->at("status")) == Status::paused) {
        // A frozen task takes the signal when it is thawed.
        sys::Command resume;
        resume.args = command({"resume", container});
        (void)sys::run(resume);
    }
    if (init && !proc::wait_until_ended(init->id, kDeathTimeoutMs))
        throw Error(Kind::target_changed, "the container '" + container + "' was killed but does not go away");
}

void OciAdapter::remove(const std::string& container, const Json& details) const {
    const Status now = status(container);
    if (now == Status::running || now == Status::paused || now == Status::created) kill(container);
    end_remains(details.at("freezer").get<std::string>());
    clear_away(container, details);
    if (std::filesystem::exists(root_ / container)) {
        sys::Command remove;
        remove.args = command({"delete", "--force", container});
        (void)sys::run_or_throw(remove);
    }
}

}  // namespace stasis::runtime
