#include "lib/ops/page_lender.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "lib/base/error.h"

namespace stasis::ops {

PageLender::PageLender(move::Channel& channel, const std::vector<pages::LiveTask>& tasks,
                       std::function<void(std::uint64_t)> progress)
    : channel_(channel), progress_(std::move(progress)) {
    for (const pages::LiveTask& task : tasks)
        if (sys::UniqueFd memory = pages::open_memory(task.pid)) memories_[task.id.number] = std::move(memory);
}

move::Frame PageLender::expect(move::Frame::ContentCase due, sys::Interrupts& interrupts) {
    for (;;) {
        move::Frame frame = channel_.receive(interrupts);
        if (frame.content_case() == due) return frame;
        if (!frame.has_ask()) throw move::unexpected();
        give(frame.ask(), interrupts);
    }
}

void PageLender::give(const move::Ask& asked, sys::Interrupts& interrupts) {
    constexpr std::uint64_t kMostPages = 1 << 20;  // CRIU asks for 4 MiB at most (4.2.1, criu/uffd.c: MAX_XFER_LEN)
    const auto memory = memories_.find(asked.task());
    if (memory == memories_.end() || asked.pages() > kMostPages)
        throw Error(Kind::failed, "the other host asked for memory that there is none of");
    std::uint64_t address = asked.address();
    for (std::uint64_t left = asked.pages() * pages::kPageSize; left > 0;) {
        move::Frame frame;
        std::string& bytes = *frame.mutable_data()->mutable_bytes();
        bytes.resize(std::min<std::uint64_t>(left, move::kChunk));
        const ssize_t got = ::pread(memory->second.get(), bytes.data(), bytes.size(), static_cast<off_t>(address));
        if (got <= 0) throw Error(Kind::failed, "the other host asked for memory that there is none of");
        bytes.resize(static_cast<std::size_t>(got));
        channel_.send(frame, interrupts);
        address += bytes.size();
        left -= bytes.size();
        bytes_ += bytes.size();
    }
    progress_(bytes_);
}

}  // namespace stasis::ops
