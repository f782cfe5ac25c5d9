// SPDX-License-Identifier: MIT
// What is typed.
#include "user/sh/input.hpp"

#include "user/lib/print.hpp"
#include "user/lib/program.hpp"
#include "user/lib/thread.hpp"

#include <algorithm>
#include <new>

namespace sh {

namespace {
constexpr char control_c = 3;
constexpr std::uint64_t characters_arrived = 1;
} // namespace

void Foreground::set(abi::Handle process) {
    user::MutexLock lock(mutex_);
    process_ = process;
}

void Foreground::clear() { set(abi::no_handle); }

bool Foreground::interrupt() {
    user::MutexLock lock(mutex_);
    if (process_ == abi::no_handle) return false;
    return user::process_kill(process_, user::status_interrupted).ok();
}

Result<void> Input::start(abi::Handle console) {
    console_ = console;
    arrived_ = TRY(user::notification_create());
    // Asking for no bytes is refused in any case, without waiting: where reading is not allowed,
    // for that reason.
    const auto asked = user::console_read(console_, {});
    if (!asked && asked.error() != Error::invalid_argument) return asked.error();
    auto thread = TRY(user::Thread::start(run, this));
    // Never joined: it reads until the program ends.
    static std::array<std::byte, sizeof(user::Thread)> kept;
    new (kept.data()) user::Thread(std::move(thread));
    return {};
}

std::span<char> Input::read(std::span<char> buffer) {
    prompting_.store(true);
    for (;;) {
        {
            user::MutexLock lock(mutex_);
            if (count_ != 0) {
                const std::size_t taken = std::min(count_, buffer.size());
                for (std::size_t i = 0; i < taken; ++i) {
                    buffer[i] = ring_[(first_ + i) % ring_.size()];
                }
                first_ = (first_ + taken) % ring_.size();
                count_ -= taken;
                prompting_.store(false);
                return buffer.first(taken);
            }
        }
        (void)user::wait(arrived_);
    }
}

void Input::run(void* self) { static_cast<Input*>(self)->pump(); }

void Input::pump() {
    for (;;) {
        std::array<char, 64> buffer{};
        const auto typed = user::console_read(console_, buffer);
        if (!typed) {
            user::print("sh: cannot read: {}\n", typed.error());
            user::thread_exit(0);
        }
        for (const char c : *typed) accept(c);
        (void)user::signal(arrived_, characters_arrived);
    }
}

void Input::accept(char c) {
    if (c == control_c && !prompting_.load()) {
        interrupted_.store(true);
        if (foreground_.interrupt()) user::print("^C\n");
        return;
    }
    user::MutexLock lock(mutex_);
    if (count_ == ring_.size()) return; // typed too far ahead
    ring_[(first_ + count_) % ring_.size()] = c;
    ++count_;
}

} // namespace sh
