// What comes from outside into lib/pages: CRIU's side of the page protocol, and memory images on disk. The first byte
// says which. With -DSTASIS_FUZZ=ON (clang) this is a libFuzzer target; else it runs its corpus once.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <thread>

#include "lib/base/error.h"
#include "lib/pages/pages_file.h"
#include "lib/pages/receiver.h"
#include "tests/fuzz/folder.h"

namespace {

using namespace stasis;

void receive(const sys::Path& folder, pages::Layout layout, std::size_t capacity, std::string_view text) {
    pages::Receiver receiver(folder, layout, 0, capacity);
    const sys::UniqueFd criu(::dup(receiver.socket()));
    receiver.leave_to_criu();
    std::jthread reader([&] {  // or an answer that nobody takes would hold up the receiver
        std::array<char, 4096> answers{};
        while (::recv(criu.get(), answers.data(), answers.size(), 0) > 0) continue;
    });
    (void)!::send(criu.get(), text.data(), text.size(), MSG_NOSIGNAL);
    (void)::shutdown(criu.get(), SHUT_WR);
    receiver.finish();
    sys::Interrupts never = sys::Interrupts::none();
    receiver.write(never);
}

void read_image(const sys::Path& folder, const char* name, std::string_view text) {
    sys::write_file_atomically(folder / name, text, 0600);
    sys::Interrupts never = sys::Interrupts::none();
    if (std::string_view(name) == "pagemap-1.img")
        (void)pages::read_pagemap(folder / name);
    else
        pages::decompress_file(folder / name, folder / "plain", never);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const fuzz::Folder folder;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    constexpr std::size_t kSmall = 2 * pages::kPageSize;
    try {
        switch (data[0]) {
            case 'n': receive(folder.path(), {24, false}, kSmall, text); break;
            case 'w': receive(folder.path(), {32, true}, kSmall, text); break;
            case 'm': read_image(folder.path(), "pagemap-1.img", text); break;
            case 'l': read_image(folder.path(), "pages-1.img.lz4", text); break;
            case 'z': read_image(folder.path(), "pages-1.img.zst", text); break;
            default: break;
        }
    } catch (const Error&) {
        // Refused with a reason: as it should be.
    }
    return 0;
}
