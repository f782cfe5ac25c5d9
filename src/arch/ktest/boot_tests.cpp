// SPDX-License-Identifier: MIT
// What the boot code leaves behind: the image's rights, the direct map, the records, the names.
#include "arch/boot/boot_information.hpp"
#include "arch/boot/image.hpp"
#include "arch/boot/paging.hpp"
#include "arch/cpu/measures.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/probe.hpp"
#include "arch/layout.hpp"
#include "arch/symbols.hpp"
#include "arch/table_walk.hpp"
#include "vm/frames.hpp"

#include <string_view>

extern "C" std::uint64_t __stack_chk_guard;

namespace arch::ktest {

namespace {

constexpr std::uint64_t not_present_read = 0;
constexpr std::uint64_t present_write = 3;

VirtAddr in_direct_map(VirtAddr image_address) {
    return layout::direct_map + (image_address - layout::kernel_image);
}

} // namespace

KERNEL_TEST(boot_image_alias, "no second way leads to the kernel's code and constants") {
    for (const VirtRange part : {image::text(), image::rodata()}) {
        EXPECT(!probe_read(in_direct_map(part.start)).happened, "not in the direct map");
        EXPECT(probe_write(in_direct_map(part.start)).is_page_fault(present_write), "writable");
        EXPECT(probe_write(in_direct_map(part.end - 1)).is_page_fault(present_write), "writable");
    }
    EXPECT(!probe_write(in_direct_map(image::rodata().end)).happened, "data is read-only");
    return Verdict::passed();
}

KERNEL_TEST(boot_first_stack, "a guard stands below the first stack") {
    EXPECT(probe_read(image::stack_guard() + (page_size - 1)).is_page_fault(not_present_read),
           "the guard can be read");
    EXPECT(!probe_read(image::stack_guard() + page_size).happened, "the stack can't be read");
    return Verdict::passed();
}

KERNEL_TEST(boot_identity, "nothing of the first page tables is left") {
    EXPECT(probe_read(VirtAddr{image::physical().start.value}).is_page_fault(not_present_read),
           "the kernel's physical address is still mapped");
    return Verdict::passed();
}

KERNEL_TEST(boot_direct_map, "the direct map has all memory, and no devices") {
    for (const lib::boot_info::MemoryRange& range : memory_map().ranges()) {
        if (!is_ram(range.type)) continue;
        EXPECT(!probe_read(layout::direct_map + range.range.start.value).happened, "first byte");
        EXPECT(!probe_read(layout::direct_map + (range.range.end.value - 1)).happened, "last byte");
    }
    // The local APIC's registers and VGA's memory: cached, they would misbehave.
    for (const std::uint64_t device : {0xfee0'0000ULL, 0xa'0000ULL}) {
        EXPECT(probe_read(layout::direct_map + device).is_page_fault(not_present_read), "a device");
    }
    return Verdict::passed();
}

KERNEL_TEST(boot_global,
            "the kernel's pages are global where the processor can and user mode may see them") {
    const TableWalk walk(image::text().start);
    EXPECT(walk.sound() && !walk.steps().empty(), "no entries");
    const TableWalk::Step last = walk.steps().back();
    EXPECT(last.entry.is_leaf(last.level), "no leaf");
    const vm::EntryView view = last.entry.view(last.level);
    const auto* leaf = std::get_if<vm::LeafView>(&view);
    EXPECT(leaf != nullptr && leaf->global, "global bit");
    const bool obeyed = (read_cr4() & cr4_global_pages) != 0;
    EXPECT(obeyed == (cpu_features().pge && !measures().isolation), "CR4.PGE");
    return Verdict::passed();
}

KERNEL_TEST(boot_records, "every frame of memory has its record") {
    EXPECT(frame_count() != 0, "no frames");
    for (const lib::boot_info::MemoryRange& range : memory_map().ranges()) {
        if (!is_ram(range.type)) continue;
        for (const std::uint64_t byte : {range.range.start.value, range.range.end.value - 1}) {
            const VirtAddr record = layout::frame_records + byte / page_size * sizeof(vm::Frame);
            EXPECT(!probe_read(record).happened, "no record");
        }
    }
    EXPECT(vm::frame_record(PhysAddr{0}).kind == vm::FrameKind::reserved,
           "frame 0 is not reserved");
    const PhysAddr kernel{align_down(image::physical().start.value, page_size)};
    EXPECT(vm::frame_record(kernel).kind == vm::FrameKind::reserved, "the image is not reserved");
    return Verdict::passed();
}

KERNEL_TEST(boot_usable, "nothing that is in use was handed on as free memory") {
    for (const PhysRange usable : usable_memory()) {
        EXPECT(usable.start.page_aligned() && usable.end.page_aligned(), "not whole pages");
        EXPECT(usable.start.value >= 1U << 20, "below 1 MiB");
        EXPECT(usable.end <= image::physical().start || image::physical().end <= usable.start,
               "the image");
        const auto module = boot_information().module;
        EXPECT(!module || usable.end <= module->start || module->end <= usable.start, "archive");
        EXPECT(kernel_root() < usable.start || usable.end <= kernel_root(), "the root table");
    }
    return Verdict::passed();
}

KERNEL_TEST(boot_names, "functions have names") {
    const auto address = reinterpret_cast<std::uint64_t>(&symbol_name);
    std::uint64_t offset = 99;
    const char* name = symbol_name(address, &offset);
    EXPECT(name != nullptr && std::string_view(name) == "arch::symbol_name", "the wrong name");
    EXPECT(offset == 0, "the wrong offset");
    name = symbol_name(address + 5, &offset);
    EXPECT(name != nullptr && std::string_view(name) == "arch::symbol_name" && offset == 5,
           "not found by an address inside");
    EXPECT(symbol_name(image::text().start.value - 1, nullptr) == nullptr, "below the code");
    EXPECT(symbol_name(image::text().end.value, nullptr) == nullptr, "above the code");
    return Verdict::passed();
}

KERNEL_TEST(boot_stack_protector, "the stack protector has a secret") {
    EXPECT(__stack_chk_guard != 0x7461'6275'6c61'0a00, "still the value it was compiled with");
    EXPECT(__stack_chk_guard != 0 && (__stack_chk_guard & 0xff) == 0, "no secret");
    return Verdict::passed();
}

} // namespace arch::ktest
