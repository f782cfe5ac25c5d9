// SPDX-License-Identifier: MIT
// Five pages: the code with its data, and four tables, which map that one page and, as every root
// does, the kernel's half.
#include "arch/smp/trampoline.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/boot/paging.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/layout.hpp"
#include "arch/smp/trampoline_offsets.hpp"
#include "arch/table_walk.hpp"
#include "lib/boot_info/low_memory.hpp"
#include "vm/entry.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <span>

namespace arch::trampoline {

namespace {

/// A far jump's operand: offset, selector.
struct FarPointer {
    std::uint32_t offset;
    std::uint16_t selector;
};

/// What trampoline.S keeps behind its code.
struct Data {
    std::uint32_t arrivals;
    std::uint32_t open;
    std::uint32_t root;
    std::uint32_t efer;
    std::uint16_t gdt_register[3]; ///< limit; base, low half first
    FarPointer protected_entry;
    FarPointer long_entry;
    std::uint64_t gdt[4];
};
static_assert(offsetof(Data, arrivals) == TRAMPOLINE_ARRIVALS);
static_assert(offsetof(Data, open) == TRAMPOLINE_OPEN);
static_assert(offsetof(Data, root) == TRAMPOLINE_ROOT);
static_assert(offsetof(Data, efer) == TRAMPOLINE_EFER);
static_assert(offsetof(Data, gdt_register) == TRAMPOLINE_GDT_REGISTER);
static_assert(offsetof(Data, protected_entry) == TRAMPOLINE_PROTECTED_ENTRY);
static_assert(offsetof(Data, long_entry) == TRAMPOLINE_LONG_ENTRY);
static_assert(offsetof(Data, gdt) == TRAMPOLINE_GDT);

extern "C" {
extern const std::byte trampoline_start[];
extern const std::byte trampoline_protected[];
extern const std::byte trampoline_long[];
extern const std::byte trampoline_data[];
extern const std::byte trampoline_end[];
}

constexpr vm::Level levels = 4;
constexpr std::uint64_t bytes = (1 + levels) * page_size;
/// Memory for a processor in real mode ends where the video memory begins.
constexpr PhysAddr low_memory_end{0xa'0000};

/// The page of the code; 0: not prepared.
constinit PhysAddr page{};

std::uint32_t distance(const std::byte* label) {
    return static_cast<std::uint32_t>(label - trampoline_start);
}

/// The copy's data.
Data& data() {
    return *reinterpret_cast<Data*>(static_cast<std::byte*>(layout::direct(page)) +
                                    distance(trampoline_data));
}

/// Where the firmware's extended data area begins, by the word that tells it (segment 0x40, offset
/// 0xe). Not every map lists it; where there is no such area, the word says something impossible.
PhysAddr firmware_data_start() {
    constexpr PhysAddr word{0x40e};
    if (!TableWalk{layout::direct_map + word.value}.kernel_readable()) return low_memory_end;
    const std::uint64_t start =
        std::uint64_t{*static_cast<const std::uint16_t*>(layout::direct(word))} << 4;
    const bool possible = start >= 0x8'0000 && start < low_memory_end.value;
    return possible ? PhysAddr{start} : low_memory_end;
}

PhysAddr table_at(vm::Level level) { return page + level * page_size; }

std::span<vm::Entry> entries(vm::Level level) {
    return {static_cast<vm::Entry*>(layout::direct(table_at(level))),
            page_size / sizeof(vm::Entry)};
}

void build_tables() {
    const VirtAddr same{page.value};
    for (vm::Level level = 1; level <= levels; ++level) {
        std::ranges::fill(entries(level), vm::Entry{});
        vm::Entry& entry = entries(level)[vm::level_index(same, level)];
        if (level > 1) {
            entry = vm::Entry::table(table_at(level - 1), false);
        } else {
            entry = vm::Entry::leaf(page, vm::Access::read_execute(), 1,
                                    {.user = false, .global = false});
        }
    }
    const std::span<const vm::Entry> kernel{
        static_cast<const vm::Entry*>(layout::direct(kernel_root())),
        page_size / sizeof(vm::Entry)};
    const std::size_t half = kernel.size() / 2;
    std::ranges::copy(kernel.subspan(half), entries(levels).subspan(half).begin());
}

void fill_data() {
    // The boot CPU's, but for what the processor itself sets.
    constexpr std::uint64_t efer_long_mode_active = 1ULL << 10;
    const auto start = static_cast<std::uint32_t>(page.value);
    Data& filled = data();
    filled.root = static_cast<std::uint32_t>(table_at(levels).value);
    filled.efer = static_cast<std::uint32_t>(read_msr(Msr::efer) & ~efer_long_mode_active);
    const std::uint32_t gdt = start + distance(trampoline_data) + offsetof(Data, gdt);
    filled.gdt_register[0] = sizeof filled.gdt - 1;
    filled.gdt_register[1] = static_cast<std::uint16_t>(gdt);
    filled.gdt_register[2] = static_cast<std::uint16_t>(gdt >> 16);
    filled.protected_entry = {start + distance(trampoline_protected), TRAMPOLINE_CODE_32};
    filled.long_entry = {start + distance(trampoline_long), TRAMPOLINE_CODE_64};
}

} // namespace

Result<void> prepare() {
    const auto found = lib::boot_info::find_low_memory(boot_information().memory.ranges(), bytes,
                                                       firmware_data_start());
    if (!found) return Error::not_found;
    page = *found;
    std::copy(trampoline_start, trampoline_end, static_cast<std::byte*>(layout::direct(page)));
    fill_data();
    return {};
}

void open() {
    build_tables();
    std::atomic_ref(data().open).store(1);
}

void close(bool all_arrived) {
    std::atomic_ref(data().open).store(0);
    if (!all_arrived) return;
    for (vm::Level level = 1; level <= levels; ++level)
        std::ranges::fill(entries(level), vm::Entry{});
}

std::uint8_t start_page() { return static_cast<std::uint8_t>(page.value >> page_bits); }

std::uint32_t arrivals() { return data().arrivals; }

} // namespace arch::trampoline
