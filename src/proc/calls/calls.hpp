// SPDX-License-Identifier: MIT
// The system calls as functions, declared from the one table; and what they give back.
#pragma once

#include "abi/system_calls.hpp"
#include "lib/result.hpp"

#include <cstdint>

namespace proc::calls {

/// A value of at least 0 or a negated error, as it goes into rax.
struct Answer {
    std::int64_t value;
    constexpr Answer(std::uint64_t number) : value(static_cast<std::int64_t>(number)) {}
    constexpr Answer(Error error) : value(-static_cast<std::int64_t>(error)) {}
    constexpr Answer(const Result<void>& result)
        : value(result ? 0 : -static_cast<std::int64_t>(result.error())) {}
    template <typename T>
    constexpr Answer(const Result<T>& result)
        : value(result ? static_cast<std::int64_t>(*result)
                       : -static_cast<std::int64_t>(result.error())) {}
};

/// The type of a call with so many arguments.
template <unsigned count, typename... Arguments>
struct FunctionOf : FunctionOf<count - 1, Arguments..., std::uint64_t> {};
template <typename... Arguments>
struct FunctionOf<0, Arguments...> {
    using Type = Answer(Arguments...);
};

#define SYSTEM_CALL(number, name, count, arguments, result, what) FunctionOf<count>::Type name;
#include "abi/system_calls.def"
#undef SYSTEM_CALL

} // namespace proc::calls
