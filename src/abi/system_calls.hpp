// SPDX-License-Identifier: MIT
// Numbers of the system calls, from the one table.
#pragma once

#include <cstdint>

namespace abi {

enum class SystemCall : std::uint64_t {
#define SYSTEM_CALL(number, name, count, arguments, result, what) name = number,
#include "abi/system_calls.def"
#undef SYSTEM_CALL
};

inline constexpr unsigned system_call_count = 0
#define SYSTEM_CALL(number, name, count, arguments, result, what) +1
#include "abi/system_calls.def"
#undef SYSTEM_CALL
    ;

} // namespace abi
