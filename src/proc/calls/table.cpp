// SPDX-License-Identifier: MIT
// The dispatch table: every call with six arguments, of which it looks at as many as it has.
#include "proc/calls/calls.hpp"
#include "proc/port.hpp"

#include <utility>

namespace proc {

namespace {

template <auto call, typename Type>
struct Adapter;
/// Arguments stand in registers, so leaving some out makes this a jump.
template <auto call, typename... Arguments>
struct Adapter<call, Answer(Arguments...)> {
    static Answer enter(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d,
                        std::uint64_t e, std::uint64_t f) {
        const std::uint64_t all[] = {a, b, c, d, e, f};
        return [&]<std::size_t... index>(std::index_sequence<index...>) {
            return call(all[index]...);
        }(std::make_index_sequence<sizeof...(Arguments)>{});
    }
};

/// What stands in the table for a call.
template <abi::SystemCall number, auto call, typename Type>
constexpr SystemCallFunction function_of() {
    return number == abi::SystemCall::fork ? fork_entry : Adapter<call, Type>::enter;
}

} // namespace

Answer fork_from_entry() { return calls::fork(); }

extern "C" const SystemCallFunction system_call_table[abi::system_call_count] = {
#define SYSTEM_CALL(number, name, count, arguments, result, what)                                  \
    function_of<abi::SystemCall::name, &calls::name, calls::FunctionOf<count>::Type>(),
#include "abi/system_calls.def"
#undef SYSTEM_CALL
};

namespace {

/// Whether the table file's lines stand in the order of their numbers, without holes.
constexpr bool in_order() {
    unsigned expected = 0;
    bool good = true;
#define SYSTEM_CALL(number, name, count, arguments, result, what)                                  \
    good = good && number == expected++;
#include "abi/system_calls.def"
#undef SYSTEM_CALL
    return good;
}
static_assert(in_order());

} // namespace

} // namespace proc
