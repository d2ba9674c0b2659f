/** The ring of segments: six arcs with round ends. */
const segments = 6;
const radius = 9;
const gap = 30; // degrees between two segments, of which the round ends take most

function arc(i: number): string {
  const step = 360 / segments;
  const from = ((i * step + gap / 2 - 90) * Math.PI) / 180;
  const to = (((i + 1) * step - gap / 2 - 90) * Math.PI) / 180;
  const at = (angle: number): string =>
    `${(12 + radius * Math.cos(angle)).toFixed(3)} ${(12 + radius * Math.sin(angle)).toFixed(3)}`;
  return `M${at(from)}A${radius} ${radius} 0 0 1 ${at(to)}`;
}

const arcs = Array.from({ length: segments }, (_, i) => arc(i));

/** The mark of Gori; turning, it says that something is on its way. */
export function Mark({ size = 24, turning = false }: { size?: number; turning?: boolean }) {
  return (
    <svg class={turning ? "mark turning" : "mark"} width={size} height={size} viewBox="0 0 24 24" fill="none" aria-hidden="true">
      {arcs.map((d, i) => (
        <path key={i} class={`seg seg-${i}`} d={d} />
      ))}
    </svg>
  );
}
