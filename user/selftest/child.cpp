// SPDX-License-Identifier: MIT
// What selftest's own child processes do.
#include "user/selftest/child.hpp"

#include "user/lib/calls.hpp"
#include "user/lib/heap.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/thread.hpp"
#include "user/selftest/role.hpp"
#include "user/selftest/stress.hpp"

#include <array>

namespace selftest {

namespace {

using user::Arguments;

volatile char* memory_at(std::uint64_t address) {
    return reinterpret_cast<volatile char*>(address);
}

int number_of(std::string_view word) {
    return static_cast<int>(user::parse_number(word).value_or(0));
}

int child_exit(Arguments words) { return number_of(words[0]); }

int child_exit_negative(Arguments words) { return -number_of(words[0]); }

/// Its words must be exactly these.
int child_words(Arguments words) {
    constexpr std::string_view wanted[] = {"one two", "", "ünï", "'\"\\$"};
    if (words.size() != std::size(wanted)) return 1;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] != wanted[i]) return 2;
    }
    return 0;
}

int child_count_words(Arguments words) { return static_cast<int>(words.size()); }

int child_spin(Arguments) {
    for (;;) asm volatile("pause");
}

int child_sleep(Arguments) {
    for (;;) (void)user::sleep(1'000'000'000'000);
}

/// Waits for a message that never comes, on an endpoint of its own.
int child_receive(Arguments) {
    abi::Message message{};
    const auto endpoint = user::endpoint_create();
    return endpoint && user::receive(*endpoint, message) ? 1 : 2;
}

/// Calls an endpoint where nobody listens.
int child_call(Arguments) {
    abi::Message message{};
    return user::call(user::extra_handle(0), message) ? 0 : 1;
}

int child_wait(Arguments) {
    const auto notification = user::notification_create();
    return notification && user::wait(*notification) ? 1 : 2;
}

void spin_for_ever(void*) {
    for (;;) asm volatile("pause");
}
void sleep_for_ever(void*) {
    for (;;) (void)user::sleep(1'000'000'000'000);
}

/// Many threads in different states; then waits for one of them.
int child_threads(Arguments) {
    for (int i = 0; i < 4; ++i) {
        auto spinner = user::Thread::start(spin_for_ever, nullptr);
        auto sleeper = user::Thread::start(sleep_for_ever, nullptr);
        if (!spinner || !sleeper) return 1;
        if (i == 3) (void)spinner->join();
        new (user::allocate(sizeof(user::Thread))) user::Thread(std::move(*spinner));
        new (user::allocate(sizeof(user::Thread))) user::Thread(std::move(*sleeper));
    }
    return 2;
}

/// Ends the process while another thread runs.
int child_exit_with_threads(Arguments words) {
    auto spinner = user::Thread::start(spin_for_ever, nullptr);
    if (!spinner) return 1;
    user::exit(number_of(words[0]));
}

/// Receives one message on a given endpoint and ends without an answer.
int child_receive_and_end(Arguments) {
    abi::Message message{};
    return user::receive(user::extra_handle(0), message) ? 0 : 1;
}

/// Answers each message with its words plus one, until one begins with 0.
int child_echo(Arguments) {
    abi::Message message{};
    for (;;) {
        if (!user::reply_receive(user::extra_handle(0), message)) return 1;
        const bool last = message.words[0] == 0;
        for (auto& word : message.words) ++word;
        message.handle_count = 0;
        if (last) return user::reply(message) ? 0 : 2;
    }
}

/// Maps a given memory of two pages, and writes one more than what the first says into the second.
int child_memory(Arguments) {
    const auto at =
        user::map_object(user::extra_handle(0), 0, 0, abi::access_read | abi::access_write);
    if (!at) return 1;
    auto* const words = reinterpret_cast<volatile std::uint64_t*>(*at);
    words[page_size / sizeof *words] = words[2] + 1;
    return 0;
}

/// Sets bits in a given notification.
int child_signal(Arguments words) {
    const auto bits = static_cast<std::uint64_t>(number_of(words[0]));
    return user::signal(user::extra_handle(0), bits) ? 0 : 1;
}

/// Makes, maps, writes and gives up memory of 1,000 pages again and again, within a limit for one
/// of them: as an object, and the next time as memory of its own.
int child_give_up_memory(Arguments) {
    constexpr std::uint64_t bytes = 1000 * page_size;
    for (int round = 0; round < 8; ++round) {
        const auto memory = user::memory_create(bytes);
        if (!memory) return 1;
        const auto address = user::map_object(*memory, 0, 0, abi::access_read | abi::access_write);
        if (!address) return 2;
        for (std::uint64_t at = 0; at < bytes; at += page_size)
            *reinterpret_cast<volatile char*>(*address + at) = 1;
        if (!user::unmap(*address, bytes) || !user::handle_close(*memory)) return 3;
        if (round % 2 == 0) continue;
        const auto own = user::map(bytes);
        if (!own) return 4;
        for (std::uint64_t at = 0; at < bytes; at += page_size)
            *reinterpret_cast<volatile char*>(*own + at) = 1;
        if (!user::unmap(*own, bytes)) return 5;
    }
    // What is used counts all the same.
    const auto first = user::memory_create(bytes);
    return first && !user::memory_create(bytes) ? 0 : 6;
}

/// Reads all pages of its program that it may not write, says so, and waits.
int child_read_program(Arguments words) {
    std::array<abi::Run, 32> runs;
    const auto found = user::query(abi::no_handle, 0, runs);
    if (!found) return 1;
    for (const abi::Run& run : *found) {
        if (run.origin != abi::Origin::file || (run.access & abi::access_write) != 0) continue;
        for (std::uint64_t at = run.start; at < run.end; at += page_size)
            (void)*reinterpret_cast<const volatile char*>(at);
    }
    if (!user::signal(user::extra_handle(0), 1)) return 2;
    return child_sleep(words);
}

// ---- accesses that must end it ---------------------------------------------------------------

Result<std::uint64_t> page_with(std::uint32_t access, std::uint32_t flags = 0) {
    return user::map(page_size, {.access = access, .flags = flags});
}

int child_write_protected(Arguments) {
    const auto page = page_with(abi::access_read | abi::access_write);
    if (!page) return 1;
    *memory_at(*page) = 1;
    if (!user::protect(*page, page_size, abi::access_read)) return 2;
    *memory_at(*page) = 2;
    return 3;
}

int child_read_none(Arguments) {
    const auto page = page_with(abi::access_read | abi::access_write);
    if (!page) return 1;
    *memory_at(*page) = 1;
    if (!user::protect(*page, page_size, abi::access_none)) return 2;
    return *memory_at(*page) + 3;
}

int child_read_guard(Arguments) {
    const auto page = page_with(abi::access_none, abi::map_guard);
    if (!page) return 1;
    return *memory_at(*page) + 3;
}

int child_write_text(Arguments) {
    *memory_at(reinterpret_cast<std::uintptr_t>(&child_write_text)) = 0;
    return 1;
}

int child_run_data(Arguments) {
    const auto page = page_with(abi::access_read | abi::access_write);
    if (!page) return 1;
    *memory_at(*page) = static_cast<char>(0xc3);
    reinterpret_cast<void (*)()>(*page)();
    return 2;
}

int child_touch_after_unmap(Arguments) {
    const auto page = page_with(abi::access_read | abi::access_write);
    if (!page) return 1;
    *memory_at(*page) = 1;
    if (!user::unmap(*page, page_size)) return 2;
    return *memory_at(*page) + 3;
}

/// Two threads write a page, one on each processor if there are two, while it becomes read-only.
int child_write_while_protected(Arguments) {
    const auto page = page_with(abi::access_read | abi::access_write);
    if (!page) return 1;
    auto write = [at = memory_at(*page)] {
        for (;;) *at = *at + 1;
    };
    auto writer = user::Thread::start(write);
    if (!writer) return 2;
    (void)user::sleep(5'000'000);
    if (!user::protect(*page, page_size, abi::access_read)) return 3;
    (void)writer->join();
    return 4;
}

/// Threads that map, touch and unmap for ever, on every processor. Ends with the status, or never.
int child_busy(Arguments words) {
    const auto work = [](void*) {
        for (;;) {
            const auto memory = user::map(3 * page_size);
            if (!memory) continue;
            for (std::uint64_t at = 0; at < 3 * page_size; at += page_size)
                *memory_at(*memory + at) = 1;
            (void)user::unmap(*memory, 3 * page_size);
        }
    };
    for (int i = 0; i < 6; ++i) {
        auto thread = user::Thread::start(i % 3 == 2 ? spin_for_ever : +work, nullptr);
        if (!thread) return 1;
        new (user::allocate(sizeof(user::Thread))) user::Thread(std::move(*thread));
    }
    (void)user::sleep(10'000'000);
    const int status = number_of(words[0]);
    if (status != 0) user::process_exit(status);
    for (;;) (void)user::sleep(1'000'000'000);
}

void overflow(void*) {
    for (;;) asm volatile("pushq $0" : : : "memory");
}

int child_thread_overflow(Arguments) {
    auto thread = user::Thread::start(overflow, nullptr);
    if (!thread) return 1;
    (void)thread->join();
    return 2;
}

/// A user-mode direction flag, alignment-check and a strange GS must not disturb the kernel.
int child_strange_flags(Arguments) {
    asm volatile("std" : : : "cc");
    const std::int64_t id = user::system_call<user::Call::process_id>();
    std::uint64_t flags = 0;
    asm volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\tpopq %0\n\tleaq 128(%%rsp), %%rsp\n\tcld"
                 : "=r"(flags)
                 :
                 : "memory", "cc");
    constexpr std::uint64_t direction = 1 << 10;
    return id > 0 && (flags & direction) != 0 ? 0 : 1;
}

/// Keeps an FS base of its own in each of two threads. Only where the processor lets programs.
int child_fs_base(Arguments) {
    const auto keep = [](void* argument) {
        const auto base = reinterpret_cast<std::uint64_t>(argument);
        asm volatile("wrfsbase %0" : : "r"(base));
        for (int i = 0; i < 100; ++i) {
            user::yield();
            std::uint64_t now = 0;
            asm volatile("rdfsbase %0" : "=r"(now));
            if (now != base) user::exit(1);
        }
    };
    auto other = user::Thread::start(keep, reinterpret_cast<void*>(0x1234'5678'9000));
    if (!other) return 2;
    keep(reinterpret_cast<void*>(0x4321'0000'0000));
    return other->join() ? 0 : 3;
}

/// A GS base that looks like the kernel's.
int child_gs_base(Arguments) {
    asm volatile("wrgsbase %0" : : "r"(0xffff'8000'0000'0000));
    for (int i = 0; i < 100; ++i) user::yield();
    (void)user::sleep(20'000'000);
    const std::uint64_t until = user::clock() + 30'000'000; // some timer interrupts
    while (user::clock() < until) asm volatile("pause");
    std::uint64_t now = 0;
    asm volatile("rdgsbase %0" : "=r"(now));
    return now == 0xffff'8000'0000'0000 ? 0 : 1;
}

constexpr Role roles[] = {
    {"exit", 1, child_exit},
    {"exit-negative", 1, child_exit_negative},
    {"words", 0, child_words},
    {"count-words", 0, child_count_words},
    {"spin", 0, child_spin},
    {"sleep", 0, child_sleep},
    {"receive", 0, child_receive},
    {"call", 0, child_call},
    {"wait", 0, child_wait},
    {"threads", 0, child_threads},
    {"exit-with-threads", 1, child_exit_with_threads},
    {"receive-and-end", 0, child_receive_and_end},
    {"echo", 0, child_echo},
    {"signal", 1, child_signal},
    {"read-program", 0, child_read_program},
    {"give-up-memory", 0, child_give_up_memory},
    {"memory", 0, child_memory},
    {"write-protected", 0, child_write_protected},
    {"read-none", 0, child_read_none},
    {"read-guard", 0, child_read_guard},
    {"write-text", 0, child_write_text},
    {"run-data", 0, child_run_data},
    {"touch-after-unmap", 0, child_touch_after_unmap},
    {"write-while-protected", 0, child_write_while_protected},
    {"busy", 1, child_busy},
    {"thread-overflow", 0, child_thread_overflow},
    {"strange-flags", 0, child_strange_flags},
    {"fs-base", 0, child_fs_base},
    {"gs-base", 0, child_gs_base},
};

} // namespace

std::optional<int> play_child(Arguments arguments) {
    if (arguments.size() < 3 || arguments[1] != "--child") return std::nullopt;
    for (const std::span<const Role> list :
         {std::span<const Role>(roles), limits_roles(), stress_roles(), stress_calls_roles(),
          upcalls_roles(), fork_roles()}) {
        for (const Role& role : list) {
            if (role.name != arguments[2]) continue;
            const Arguments words = arguments.subspan(3);
            if (words.size() < role.words) return user::status_usage;
            return role.play(words);
        }
    }
    return user::status_usage;
}

Result<user::OwnedHandle> start_child(std::initializer_list<std::string_view> role,
                                      std::span<const abi::Handle> extra) {
    return start_child(role, user::SpawnOptions{.extra = extra});
}

Result<user::OwnedHandle> start_child(std::initializer_list<std::string_view> role,
                                      const user::SpawnOptions& options) {
    std::array<std::string_view, 64> words{"selftest", "--child"};
    std::size_t count = 2;
    for (const auto word : role) words[count++] = word;
    return user::spawn(std::span(words).first(count), options);
}

Result<std::int32_t> run_child(std::initializer_list<std::string_view> role,
                               std::span<const abi::Handle> extra) {
    const auto child = TRY(start_child(role, extra));
    return user::process_wait(child.get());
}

} // namespace selftest
