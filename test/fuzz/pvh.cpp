// SPDX-License-Identifier: MIT
// PVH start information: the input is physical memory, the information stands at its beginning.
#include "lib/boot_info/pvh.hpp"

#include "fuzz/fuzz.hpp"
#include "fuzz/memory_promises.hpp"

#include <algorithm>

namespace {

using lib::boot_info::BootInformation;

constexpr std::size_t info_bytes = 56;

void run(lib::Bytes memory) {
    BootInformation information;
    const auto parsed = lib::boot_info::parse_pvh(memory, PhysAddr{0}, information);
    if (!parsed.ok()) {
        PROMISE(parsed.error() == Error::bad_format || parsed.error() == Error::unsupported ||
                parsed.error() == Error::limit_reached);
        return;
    }
    PROMISE(memory.size() >= info_bytes);
    fuzz::check_boot_information(information, 0, info_bytes);
    const std::uint64_t line = *lib::read_record<std::uint64_t>(memory, 24);
    PROMISE(line != 0 || information.command_line().empty());
    if (line != 0) {
        const std::string_view text = lib::as_text(memory.subspan(line));
        PROMISE(text.starts_with(information.command_line()));
    }
    PROMISE(!information.efi && !information.framebuffer);
}

/// Magic and version, and the checksums of the root pointer.
void repair(std::span<std::byte> memory) {
    constexpr unsigned char beginning[] = {0x78, 0xC5, 0x6E, 0x33, 1, 0, 0, 0};
    if (memory.size() < info_bytes) return;
    std::ranges::copy(std::as_bytes(std::span(beginning)), memory.begin());
    const std::uint64_t rsdp = *lib::read_record<std::uint64_t>(memory, 32);
    if (rsdp < info_bytes || rsdp > memory.size() || memory.size() - rsdp < 20) return;
    fuzz::fix_sum(memory.subspan(rsdp, 20), 8);
    if (memory.size() - rsdp >= 36) fuzz::fix_sum(memory.subspan(rsdp, 36), 32);
}

} // namespace

const fuzz::Target fuzz::pvh{run, repair};
