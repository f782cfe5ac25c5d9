// SPDX-License-Identifier: MIT
// Reading ACPI's root pointer.
#include "lib/boot_info/rsdp.hpp"

namespace lib::boot_info {

namespace {

constexpr std::string_view signature = "RSD PTR ";
constexpr std::uint64_t revision_offset = 15;
constexpr std::uint64_t version1_size = 20;
constexpr std::uint64_t version2_size = 36;

/// The sum of all bytes, which has to be 0.
bool adds_up(Bytes bytes) {
    unsigned sum = 0;
    for (const std::byte value : bytes) sum += std::to_integer<unsigned>(value);
    return sum % 256 == 0;
}

} // namespace

Result<Rsdp> read_rsdp(Bytes bytes) {
    const Bytes head = TRY(sub_bytes(bytes, 0, version1_size));
    if (as_text(head.first(signature.size())) != signature) return Error::bad_format;
    if (!adds_up(head)) return Error::bad_format;
    Bytes whole = head;
    if (TRY(read_record<std::uint8_t>(head, revision_offset)) >= 2) {
        const Bytes extended = TRY(sub_bytes(bytes, 0, version2_size));
        if (!adds_up(extended)) return Error::bad_format;
        whole = extended;
    }
    Rsdp rsdp;
    rsdp.size = whole.size();
    std::copy(whole.begin(), whole.end(), rsdp.bytes.begin());
    return rsdp;
}

Result<Rsdp> find_rsdp(Bytes memory) {
    constexpr std::uint64_t start = 0xe0000;
    constexpr std::uint64_t end = 0x100000;
    constexpr std::uint64_t step = 16;
    for (std::uint64_t at = start; at < end; at += step) {
        const auto place = sub_bytes(memory, at, version1_size);
        if (!place) break;
        if (auto found = read_rsdp(memory.subspan(at))) return found;
    }
    return Error::not_found;
}

} // namespace lib::boot_info
