// SPDX-License-Identifier: MIT
// Start-up of a program, after start.S.
#include "user/lib/start.hpp"

#include "user/lib/calls.hpp"
#include "user/lib/program.hpp"

#include <array>
#include <memory>

extern "C" {
/// What functions with arrays compare before they return; set before the first of them runs.
std::uintptr_t __stack_chk_guard = 0x00ff'0aad'7461'6275; // a zero and line ends stop text copies
[[noreturn]] void __stack_chk_fail();

using Constructor = void (*)();
extern Constructor __init_array_start[];
extern Constructor __init_array_end[];
}

namespace user {

ProgramHandles handles;
std::uint64_t started_at;
const abi::ClockPage* clock_page;
void (*write_out)() = nullptr;

namespace {

// psABI 0.99, table 4.10 and gABI figure 5-10.
constexpr std::uint64_t dynamic_end = 0;
constexpr std::uint64_t dynamic_rela = 7;
constexpr std::uint64_t dynamic_rela_bytes = 8;
constexpr std::uint32_t relocation_none = 0;
constexpr std::uint32_t relocation_relative = 8;

struct Relocation {
    std::uint64_t offset;
    std::uint64_t info;
    std::uint64_t addend;
};

/// Few words need no memory of their own.
std::array<std::string_view, 16> few_arguments;

Arguments read_arguments(const ArgumentBlock* block) {
    if (block == nullptr) return {};
    std::string_view* list = few_arguments.data();
    if (block->count > few_arguments.size()) {
        const auto memory = map(align_up(block->count * sizeof(std::string_view), page_size));
        if (!memory) exit(status_failure);
        list = reinterpret_cast<std::string_view*>(*memory);
    }
    const char* const* texts = block->texts;
    for (std::uint64_t i = 0; i < block->count; ++i) {
        std::construct_at(list + i, texts[i]);
    }
    return {list, block->count};
}

} // namespace

void exit(int status) {
    if (write_out != nullptr) write_out();
    process_exit(status);
}

} // namespace user

__attribute__((no_stack_protector)) void user_relocate(std::uint64_t base,
                                                       const std::uint64_t* dynamic) {
    if (dynamic == nullptr) return;
    std::uint64_t table = 0;
    std::uint64_t bytes = 0;
    for (; dynamic[0] != user::dynamic_end; dynamic += 2) {
        if (dynamic[0] == user::dynamic_rela) table = base + dynamic[1];
        if (dynamic[0] == user::dynamic_rela_bytes) bytes = dynamic[1];
    }
    for (std::uint64_t at = 0; at < bytes; at += sizeof(user::Relocation)) {
        const auto* relocation = reinterpret_cast<const user::Relocation*>(table + at);
        const auto kind = static_cast<std::uint32_t>(relocation->info);
        if (kind == user::relocation_none) continue;
        if (kind != user::relocation_relative) __builtin_trap();
        *reinterpret_cast<std::uint64_t*>(base + relocation->offset) = base + relocation->addend;
    }
}

__attribute__((no_stack_protector)) void user_start(const user::ArgumentBlock* block,
                                                    std::uint64_t time_stamp,
                                                    const abi::ClockPage* clock) {
    // Not secret, but no longer the same in every process; the low byte stays zero.
    __stack_chk_guard ^= (time_stamp * 0x9e37'79b9'7f4a'7c15) << 8;
    user::started_at = time_stamp;
    user::clock_page = clock;
    for (Constructor* constructor = __init_array_start; constructor != __init_array_end;
         ++constructor) {
        (*constructor)();
    }
    user::exit(user::main(user::read_arguments(block)));
}

void __stack_chk_fail() { __builtin_trap(); } // the kernel reports it, with the address
