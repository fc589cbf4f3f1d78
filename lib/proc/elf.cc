#include "lib/proc/elf.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace stasis::proc {
namespace {

/// What a damaged file claims beyond this is not believed.
constexpr std::size_t kMostNotes = 64 << 10;
constexpr unsigned kMostHeaders = 1024;

/// The bytes that there are, at most `size`.
std::string read_at(int fd, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    const ssize_t count = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset));
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return bytes;
}

template <typename Record>
bool read_record(int fd, std::uint64_t offset, Record& record) {
    const std::string bytes = read_at(fd, offset, sizeof record);
    if (bytes.size() < sizeof record) return false;
    std::memcpy(&record, bytes.data(), sizeof record);
    return true;
}

std::string to_hexadecimal(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
        text.push_back(kDigits[static_cast<unsigned char>(byte) >> 4]);
        text.push_back(kDigits[static_cast<unsigned char>(byte) & 0xf]);
    }
    return text;
}

/// Names and values are padded to `alignment`.
std::string find_in_notes(std::string_view notes, std::size_t alignment) {
    const auto padded = [&](std::size_t size) { return (size + alignment - 1) / alignment * alignment; };
    Elf64_Nhdr header{};  // the same in 32 bits
    while (notes.size() >= sizeof header) {
        std::memcpy(&header, notes.data(), sizeof header);
        const std::size_t value_at = padded(sizeof header + header.n_namesz);
        const std::size_t end = value_at + header.n_descsz;
        if (end > notes.size()) return "";
        if (header.n_type == NT_GNU_BUILD_ID &&
            notes.substr(sizeof header, header.n_namesz) == std::string_view("GNU", 4))
            return to_hexadecimal(notes.substr(value_at, header.n_descsz));
        notes.remove_prefix(std::min(padded(end), notes.size()));
    }
    return "";
}

template <typename FileHeader, typename ProgramHeader>
std::string find_in_file(int fd) {
    FileHeader file{};
    if (!read_record(fd, 0, file)) return "";
    for (unsigned i = 0; i < std::min<unsigned>(file.e_phnum, kMostHeaders); ++i) {
        ProgramHeader header{};
        if (!read_record(fd, file.e_phoff + i * sizeof header, header)) return "";
        if (header.p_type != PT_NOTE) continue;
        const std::string notes = read_at(fd, header.p_offset, std::min<std::uint64_t>(header.p_filesz, kMostNotes));
        if (const std::string id = find_in_notes(notes, header.p_align == 8 ? 8 : 4); !id.empty()) return id;
    }
    return "";
}

}  // namespace

std::string build_id(int fd) {
    constexpr char kOwnOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    const std::string start = read_at(fd, 0, EI_NIDENT);
    if (start.size() < EI_NIDENT || !start.starts_with(ELFMAG) || start[EI_DATA] != kOwnOrder) return "";
    if (start[EI_CLASS] == ELFCLASS64) return find_in_file<Elf64_Ehdr, Elf64_Phdr>(fd);
    if (start[EI_CLASS] == ELFCLASS32) return find_in_file<Elf32_Ehdr, Elf32_Phdr>(fd);
    return "";
}

}  // namespace stasis::proc
