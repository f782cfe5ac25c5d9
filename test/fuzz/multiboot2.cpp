// SPDX-License-Identifier: MIT
// Multiboot2 information: the input is physical memory, the information stands at its beginning.
#include "lib/boot_info/multiboot2.hpp"

#include "fuzz/fuzz.hpp"
#include "fuzz/memory_promises.hpp"

#include <cstring>

namespace {

using lib::boot_info::BootInformation;

std::uint32_t word(lib::Bytes bytes, std::size_t at) {
    return *lib::read_record<std::uint32_t>(bytes, at);
}

void run(lib::Bytes memory) {
    BootInformation information;
    const auto parsed = lib::boot_info::parse_multiboot2(memory, PhysAddr{0}, information);
    if (!parsed.ok()) {
        PROMISE(parsed.error() == Error::bad_format || parsed.error() == Error::limit_reached);
        return;
    }
    const std::uint64_t size = word(memory, 0);
    PROMISE(size <= memory.size());
    fuzz::check_boot_information(information, 0, size);
    // Nothing behind the information's own end matters.
    BootInformation again;
    PROMISE(parse_multiboot2(memory.first(size), PhysAddr{0}, again).ok());
    PROMISE(again.command_line() == information.command_line());
    PROMISE(again.module == information.module && again.efi == information.efi);
    PROMISE(again.memory.ranges().size() == information.memory.ranges().size());
    PROMISE(parse_multiboot2(memory, PhysAddr{4}, again).error() == Error::bad_format);
}

/// The size of the whole, and the checksums of root pointers.
void repair(std::span<std::byte> memory) {
    if (memory.size() < 16) return;
    const auto size = static_cast<std::uint32_t>(memory.size());
    std::memcpy(memory.data(), &size, sizeof size);
    for (std::size_t at = 8; memory.size() - at >= 8;) {
        const std::uint32_t type = word(memory, at);
        const std::uint32_t bytes = word(memory, at + 4);
        if (bytes < 8 || bytes > memory.size() - at) return;
        const std::span<std::byte> body = memory.subspan(at + 8, bytes - 8);
        if ((type == 14 || type == 15) && body.size() >= 20) {
            fuzz::fix_sum(body.first(20), 8);
            if (body.size() >= 36) fuzz::fix_sum(body.first(36), 32);
        }
        const std::size_t step = align_up(bytes, 8);
        if (step > memory.size() - at) return;
        at += step;
    }
}

} // namespace

const fuzz::Target fuzz::multiboot2{run, repair};
