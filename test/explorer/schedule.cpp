// SPDX-License-Identifier: MIT
// Schedules as text.
#include "explorer/schedule.hpp"

#include <charconv>

namespace explorer {

std::string to_text(const Schedule& schedule) {
    std::string text;
    for (const Turn& turn : schedule) {
        if (!text.empty()) text += " ";
        text += std::to_string(turn.cpu);
        if (turn.before != 0) text += "@" + std::to_string(turn.before);
    }
    return text;
}

std::optional<Schedule> parse_schedule(std::string_view text) {
    Schedule schedule;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto number = [&](auto& value) {
        const auto [next, error] = std::from_chars(at, end, value);
        at = next;
        return error == std::errc{};
    };
    while (at != end) {
        if (*at == ' ') {
            ++at;
            continue;
        }
        Turn turn{};
        if (!number(turn.cpu)) return std::nullopt;
        if (at != end && *at == '@') {
            ++at;
            if (!number(turn.before) || turn.before == 0) return std::nullopt;
        }
        if (at != end && *at != ' ') return std::nullopt;
        schedule.push_back(turn);
    }
    return schedule;
}

} // namespace explorer
