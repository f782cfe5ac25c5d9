// SPDX-License-Identifier: MIT
// The system calls as functions, declared from the one table.
#pragma once

#include "abi/system_calls.hpp"
#include "proc/port.hpp"

#include <cstdint>

namespace proc::calls {

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
