// SPDX-License-Identifier: MIT
// The raw system call: number and argument count come from the one table, and a call with another
// count of arguments does not compile.
#pragma once

#include "abi/system_calls.hpp"
#include "abi/types.hpp"

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace user {

/// How many arguments a system call takes.
consteval unsigned argument_count(abi::SystemCall call) {
    switch (call) {
#define SYSTEM_CALL(number, name, count, arguments, result, what)                                  \
    case abi::SystemCall::name: return count;
#include "abi/system_calls.def"
#undef SYSTEM_CALL
    }
    return ~0U;
}

/// A register's worth of an argument.
template <typename T>
std::uint64_t argument_word(T value) {
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<std::uintptr_t>(value);
    } else {
        static_assert(std::integral<T> || std::is_enum_v<T>);
        return static_cast<std::uint64_t>(value);
    }
}

/// Calls the kernel with the number and words given, whatever they are. Six registers: rdi, rsi,
/// rdx, r10, r8, r9; rcx and r11 are lost.
inline std::int64_t raw_system_call(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0,
                                    std::uint64_t c = 0, std::uint64_t d = 0, std::uint64_t e = 0,
                                    std::uint64_t f = 0) {
    std::int64_t result = 0;
    register std::uint64_t r10 asm("r10") = d;
    register std::uint64_t r8 asm("r8") = e;
    register std::uint64_t r9 asm("r9") = f;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

/// Calls the kernel; only the registers that the call uses are loaded.
template <abi::SystemCall call, typename... Arguments>
inline std::int64_t system_call(Arguments... arguments) {
    constexpr unsigned count = sizeof...(Arguments);
    static_assert(count == argument_count(call), "wrong number of arguments for this system call");
    const std::uint64_t words[count + 1] = {argument_word(arguments)..., 0};
    std::int64_t result = 0;
    constexpr auto number = static_cast<std::uint64_t>(call);
    if constexpr (count == 0) {
        asm volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    } else if constexpr (count == 1) {
        asm volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(words[0])
                     : "rcx", "r11", "memory");
    } else if constexpr (count == 2) {
        asm volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(words[0]), "S"(words[1])
                     : "rcx", "r11", "memory");
    } else if constexpr (count == 3) {
        asm volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(words[0]), "S"(words[1]), "d"(words[2])
                     : "rcx", "r11", "memory");
    } else if constexpr (count == 4) {
        register std::uint64_t r10 asm("r10") = words[3];
        asm volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(words[0]), "S"(words[1]), "d"(words[2]), "r"(r10)
                     : "rcx", "r11", "memory");
    } else if constexpr (count == 5) {
        register std::uint64_t r10 asm("r10") = words[3];
        register std::uint64_t r8 asm("r8") = words[4];
        asm volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(words[0]), "S"(words[1]), "d"(words[2]), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    } else {
        static_assert(count == 6, "give this count of arguments its own registers");
        register std::uint64_t r10 asm("r10") = words[3];
        register std::uint64_t r8 asm("r8") = words[4];
        register std::uint64_t r9 asm("r9") = words[5];
        asm volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(words[0]), "S"(words[1]), "d"(words[2]), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    }
    return result;
}

/// `call` or `reply_receive`: four words go in registers, and come back in them.
template <abi::SystemCall call>
inline std::int64_t message_call(abi::Handle endpoint, std::uint64_t message,
                                 std::uint64_t (&words)[abi::register_words]) {
    static_assert(call == abi::SystemCall::call || call == abi::SystemCall::reply_receive);
    std::int64_t result = 0;
    register std::uint64_t r10 asm("r10") = words[1];
    register std::uint64_t r8 asm("r8") = words[2];
    register std::uint64_t r9 asm("r9") = words[3];
    asm volatile("syscall"
                 : "=a"(result), "+d"(words[0]), "+r"(r10), "+r"(r8), "+r"(r9)
                 : "a"(static_cast<std::uint64_t>(call)), "D"(endpoint), "S"(message)
                 : "rcx", "r11", "memory");
    words[1] = r10;
    words[2] = r8;
    words[3] = r9;
    return result;
}

} // namespace user
