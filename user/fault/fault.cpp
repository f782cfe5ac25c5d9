// SPDX-License-Identifier: MIT
// fault: ends itself by a fault of the kind asked for. The kernel reports it.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/print.hpp"
#include "user/lib/start.hpp"

namespace {

constexpr std::uint64_t kernel_address = 0xffff'8000'0000'0000;
constexpr std::uint64_t noncanonical_address = 0x0000'8000'0000'0000;

void read_at(std::uint64_t address) {
    asm volatile("movb (%0), %%al" : : "r"(address) : "rax", "memory");
}
void write_at(std::uint64_t address) { asm volatile("movb $1, (%0)" : : "r"(address) : "memory"); }
void call_at(std::uint64_t address) { asm volatile("call *%0" : : "r"(address) : "memory"); }

std::uint64_t map_or_die(std::uint64_t bytes, std::uint32_t access, std::uint32_t flags = 0) {
    const auto address = user::map(bytes, {.access = access, .flags = flags});
    if (!address) user::die(describe(address.error()));
    return *address;
}

void null() { read_at(0); }

void hole() {
    const std::uint64_t address = map_or_die(page_size, abi::access_read | abi::access_write);
    write_at(address);
    if (!user::unmap(address, page_size)) user::die("cannot unmap");
    read_at(address);
}

void readonly() { write_at(map_or_die(page_size, abi::access_read)); }

void noexec() {
    const std::uint64_t address = map_or_die(page_size, abi::access_read | abi::access_write);
    *reinterpret_cast<volatile unsigned char*>(address) = 0xc3; // ret
    call_at(address);
}

void kernel() { read_at(kernel_address); }
void noncanonical() { read_at(noncanonical_address); }

/// Pushes until the stack's guard is reached.
void stack() {
    for (;;) asm volatile("pushq $0" : : : "memory");
}

void divide() {
    asm volatile("xorl %%edx, %%edx\n\tmovl $1, %%eax\n\tdivl %0" : : "r"(0) : "rax", "rdx", "cc");
}
void illegal() { asm volatile("ud2"); }
void privileged() { asm volatile("hlt"); }
void breakpoint() { asm volatile("int3"); }

/// Promised without a charge, more than there can be; touched until there is nothing left.
void overcommit() {
    constexpr std::uint64_t bytes = 1ULL << 40;
    const std::uint64_t address =
        map_or_die(bytes, abi::access_read | abi::access_write, abi::map_noreserve);
    for (std::uint64_t at = 0; at < bytes; at += page_size) write_at(address + at);
}

struct Kind {
    std::string_view name;
    void (*commit)();
};
constexpr Kind kinds[] = {
#define FAULT_KIND(name) {#name, name},
#include "user/lib/fault_kinds.def"
#undef FAULT_KIND
};

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 1, 1)) return *status;
    for (const Kind& kind : kinds) {
        if (kind.name != arguments[1]) continue;
        kind.commit();
        print("fault: {}: nothing happened\n", kind.name);
        return status_failure;
    }
    print("fault: {}: unknown kind; one of", arguments[1]);
    for (const Kind& kind : kinds) print(" {}", kind.name);
    print("\n");
    return status_usage;
}
