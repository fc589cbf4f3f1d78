#include "lib/ops/bug_report.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/redact.h"
#include "lib/criu/criu.h"
#include "lib/ops/host_facts.h"
#include "lib/sys/child.h"

namespace stasis::ops {
namespace {

using Rows = std::vector<Evidence>;
using Read = std::function<std::string()>;

Read file(const Path& path) {
    return [path] { return sys::read_file(path); };
}

Read output_of(const std::vector<std::string>& args) {
    return [args] { return sys::ask(args); };
}

/// A file of the store. Whatever else bears its name, a link or a FIFO above all, is left alone.
Read stored_file(const Path& folder, const std::string& name) {
    return [folder, name] {
        const sys::UniqueFd root = sys::open_path(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        const sys::UniqueFd file = sys::open_beneath(root.get(), name, O_RDONLY | O_NONBLOCK);
        return sys::read_all(file.get(), (folder / name).native());
    };
}

/// CRIU's statistics are binary, configurations JSON; podman's, too, whatever podman calls them.
EvidenceFormat format_of(const std::string& name) {
    if (name.starts_with("stats-")) return EvidenceFormat::binary;
    for (const char* ending : {".json", ".dump", ".status"})
        if (name.ends_with(ending)) return EvidenceFormat::json;
    return EvidenceFormat::text;
}

Rows stored_files(const Path& folder) {
    Rows rows;
    for (const std::string& name : sys::list_directory(folder))
        rows.push_back({name, stored_file(folder, name), format_of(name)});
    return rows;
}

Rows host_rows() {
    return {
        {"uname.txt", output_of({"uname", "-a"})},
        {"os-release.txt", file("/etc/os-release")},
        {"criu.txt",
         [] {
             return sys::ask({criu::binary_path(), "--version"});
         }},
        {"runc.txt", output_of({"runc", "--version"})},
        {"rsync.txt", output_of({"rsync", "--version"})},
        {"nft.txt", output_of({"nft", "--version"})},
        {"kernel-config.txt", kernel_configuration},
        {"kernel-log.txt", kernel_messages},
        {"cpu.txt", processor},
        {"mountinfo.txt", file("/proc/self/mountinfo")},
    };
}

std::string open_files(pid_t pid) {
    std::string text;
    for (const proc::OpenFile& open : proc::open_files(pid))
        text += fmt::format("{} -> {} (flags {:#o}, position {})\n", open.number, open.target, open.flags, open.offset);
    return text;
}

std::string mapped_files(pid_t pid) {
    std::set<std::string> paths;
    for (const proc::FileMapping& mapping : proc::file_mappings(pid)) paths.insert(mapping.path);
    std::string text;
    for (const std::string& path : paths) text += path + "\n";
    return text;
}

Rows task_rows(pid_t pid) {
    return {
        {"status.txt", file(fmt::format("/proc/{}/status", pid))},
        {"open-files.txt", [pid] { return open_files(pid); }},
        {"mapped-files.txt", [pid] { return mapped_files(pid); }},
    };
}

/// Cgroup v1 and v2 in turn; the files of the other are not there.
std::string freezer_state(const Path& freezer) {
    std::string text;
    for (const char* name : {"freezer.state", "cgroup.freeze", "cgroup.events"})
        if (const std::optional<std::string> state = sys::read_file_if_exists(freezer / name))
            text += fmt::format("{}: {}", (freezer / name).string(), *state);
    return text;
}

Rows init_rows(const runtime::Description& described) {
    const std::string folder = fmt::format("/proc/{}/", described.init.pid);
    Rows rows{
        {"mountinfo.txt", file(folder + "mountinfo")},
        {"cgroup.txt", file(folder + "cgroup")},
    };
    if (!described.freezer.empty())
        rows.push_back({"freezer.txt", [freezer = described.freezer] { return freezer_state(freezer); }});
    return rows;
}

/// Memory is told by the names and sizes of its files alone.
std::string list_files(const Path& checkpoint) {
    std::string text;
    for (const char* folder : {"images", "runtime", "logs"})
        for (const std::string& name : sys::list_directory(checkpoint / folder)) {
            std::error_code unreadable;
            const std::uintmax_t size = std::filesystem::file_size(checkpoint / folder / name, unreadable);
            text += fmt::format("{:>14} {}/{}\n", unreadable ? "?" : std::to_string(size), folder, name);
        }
    return text;
}

Read thrower(const Error& error) {
    return [error]() -> std::string { throw error; };
}

/// Adds rows, in a folder; where looking for them fails, a row that says why.
template <typename Find>
void append(Rows& all, const std::string& folder, Find find) {
    try {
        for (Evidence& row : find()) all.push_back({folder + "/" + row.name, std::move(row.read), row.format});
    } catch (const Error& error) {
        if (error.kind() == Kind::interrupted) throw;
        all.push_back({folder, thrower(error)});
    } catch (const std::exception& error) {
        all.push_back({folder, thrower(Error(Kind::failed, error.what()))});
    }
}

void append_target(Rows& all, const Target& target) {
    append(all, "runtime", [&] { return target.adapter->evidence(target.container); });
    append(all, "target", [&] {
        const runtime::Description described = target.adapter->describe(target.container);
        Rows rows = init_rows(described);
        for (const proc::Stat& task : proc::tree_of(described.init.pid, proc::all_processes()))
            append(rows, std::to_string(task.id.pid), [&] { return task_rows(task.id.pid); });
        return rows;
    });
}

void append_checkpoint(Rows& all, const store::Store& store, const Target& target, const std::string& name) {
    append(all, "checkpoint", [&] {
        const store::Location location = store.location(target.runtime(), target.container, name);
        const store::Folders folders{location.path()};
        if (!std::filesystem::exists(folders.root))
            throw Error(Kind::not_found, "there is no checkpoint '" + name + "'");
        Rows rows{{"files.txt", [root = folders.root] { return list_files(root); }}};
        append(rows, "runtime", [&] { return stored_files(folders.runtime()); });
        append(rows, "logs", [&] { return stored_files(folders.logs()); });
        return rows;
    });
}

/// Of one target, or of all.
void append_failures(Rows& all, const store::Store& store, const std::optional<Target>& target) {
    append(all, "failures", [&] {
        Rows rows;
        for (const store::Folders& folders :
             store.failures(target ? target->runtime() : "", target ? target->container : ""))
            append(rows, folders.root.lexically_relative(store.root()), [&] { return stored_files(folders.logs()); });
        return rows;
    });
}

std::string redacted(const std::string& text, EvidenceFormat format) {
    if (format == EvidenceFormat::binary) return text;
    if (format == EvidenceFormat::text) return redact_text(text);
    const Json document = Json::parse(text, nullptr, false);
    if (document.is_discarded()) throw Error(Kind::damaged, "it is no JSON: what of it is secret can't be told");
    return redact_json(document).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Subject find_subject(const Context& context, const std::string& target, const std::optional<std::string>& checkpoint) {
    Subject subject;
    if (target.empty()) return subject;
    try {
        subject.target = resolve(context, target);
        const std::vector<store::Entry> entries =
            context.store.list(subject.target->runtime(), subject.target->container);
        if (entries.empty())
            subject.target->adapter->require_known(subject.target->container);
        else
            subject.checkpoint = entries.back().checkpoint;
    } catch (const std::exception& error) {
        subject.problem = error.what();
    }
    if (checkpoint) subject.checkpoint = checkpoint;
    return subject;
}

Rows evidence(const Context& context, const Subject& subject) {
    Rows rows;
    append(rows, "host", host_rows);
    append_failures(rows, context.store, subject.target);
    if (subject.target) {
        append_target(rows, *subject.target);
        if (subject.checkpoint) append_checkpoint(rows, context.store, *subject.target, *subject.checkpoint);
    } else if (!subject.problem.empty()) {
        rows.push_back({"target", thrower(Error(Kind::not_found, subject.problem))});
    }
    return rows;
}

std::vector<Item> collect(const Rows& rows, bool redact, sys::Interrupts& interrupts) {
    std::vector<Item> items;
    for (const Evidence& row : rows) {
        interrupts.check();
        Item item{row.name, "", ""};
        try {
            const std::string content = row.read();
            item.content = redact ? redacted(content, row.format) : content;
        } catch (const Error& error) {
            if (error.kind() == Kind::interrupted) throw;
            item.problem = error.message();
        } catch (const std::exception& error) {
            item.problem = error.what();
        }
        if (redact) item.problem = redact_text(item.problem);
        items.push_back(std::move(item));
    }
    return items;
}

}  // namespace stasis::ops
