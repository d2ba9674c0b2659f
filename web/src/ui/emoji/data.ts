import type { Catalogue } from "../../i18n/index";

export interface Emoji {
  readonly char: string;
  /** Names in English and Korean, the first one is the short code. */
  readonly names: readonly string[];
}

export interface EmojiGroup {
  readonly title: keyof Pick<Catalogue, "emojiFaces" | "emojiHands" | "emojiNature" | "emojiFood" | "emojiThings" | "emojiSigns">;
  readonly emoji: readonly Emoji[];
}

/** One a line: the emoji, its short code, other words. */
const faces = `
😀 grinning 웃음 기쁨
😃 smiley 활짝
😄 smile 미소
😁 grin 씩
😆 laughing 하하
😅 sweat_smile 식은땀
😂 joy 눈물 폭소
🤣 rofl 데굴데굴
🙂 slightly_smiling 빙그레
🙃 upside_down 거꾸로
😉 wink 윙크
😊 blush 수줍 행복
😇 innocent 천사
🥰 hearts 사랑스러운
😍 heart_eyes 반함
🤩 star_struck 감탄
😘 kiss 뽀뽀
😋 yum 맛있다
😜 winking_tongue 메롱
🤪 zany 엉뚱
🤗 hug 포옹
🤭 hand_over_mouth 쿡쿡
🤫 shush 쉿
🤔 thinking 생각 고민
🫡 salute 경례
🤐 zipper 비밀
😐 neutral 무표정
😑 expressionless 덤덤
🫠 melting 녹아내림
😏 smirk 능글
😒 unamused 시큰둥
🙄 roll_eyes 한숨
😬 grimacing 어색
😮‍💨 exhale 휴
😌 relieved 안도
😔 pensive 침울
😪 sleepy 졸림
😴 sleeping 잠
😷 mask 마스크
🤒 sick 아픔
🤕 hurt 다침
🥵 hot 더움
🥶 cold 추움
🤯 exploding 충격
🥳 party 축하 파티
😎 sunglasses 멋짐
🤓 nerd 공부
🧐 monocle 흠
😕 confused 혼란
😟 worried 걱정
🙁 frown 시무룩
😮 open_mouth 놀람 오
😲 astonished 깜짝
🥺 pleading 부탁
😳 flushed 당황
😨 fearful 무서움
😰 anxious 불안
😢 cry 슬픔
😭 sob 엉엉 울음
😱 scream 비명
😤 triumph 흥
😡 rage 화남
🤬 cursing 욕
💀 skull 해골
💩 poop 똥
👻 ghost 유령
🤖 robot 로봇
😺 cat_smile 고양이`;

const hands = `
👍 thumbsup 좋아요 최고 +1
👎 thumbsdown 싫어요 -1
👌 ok_hand 오케이
✌️ victory 브이
🤞 crossed 행운
🤟 love_you 사랑해
🤘 metal 록
👏 clap 박수
🙌 raised_hands 만세
🫶 heart_hands 하트손
🤝 handshake 악수
🙏 pray 부탁 감사
💪 muscle 힘 화이팅
👋 wave 안녕 인사
✋ hand 손
👊 fist 주먹
☝️ point_up 위
👇 point_down 아래
👈 point_left 왼쪽
👉 point_right 오른쪽
✍️ writing 쓰기
👀 eyes 눈 보는중
🧠 brain 뇌
🙋 raising 저요
🙆 okay 좋아
🙅 no_good 안돼
🤷 shrug 글쎄
🤦 facepalm 이마
🙇 bow 죄송 꾸벅
💃 dancer 춤
🏃 running 달리기
🧑‍💻 coder 개발자`;

const nature = `
🐶 dog 강아지
🐱 cat 고양이
🐭 mouse 쥐
🐰 rabbit 토끼
🦊 fox 여우
🐻 bear 곰
🐼 panda 판다
🐯 tiger 호랑이
🦁 lion 사자
🐷 pig 돼지
🐸 frog 개구리
🐵 monkey 원숭이
🐔 chicken 닭
🐧 penguin 펭귄
🐦 bird 새
🦆 duck 오리
🦉 owl 부엉이
🐝 bee 벌
🦋 butterfly 나비
🐢 turtle 거북이
🐙 octopus 문어
🐳 whale 고래
🐬 dolphin 돌고래
🌱 seedling 새싹
🌳 tree 나무
🌸 blossom 벚꽃
🌹 rose 장미
🌻 sunflower 해바라기
🍀 clover 클로버 행운
🍁 maple 단풍
🌈 rainbow 무지개
☀️ sun 해 맑음
🌙 moon 달
⭐ star 별
☁️ cloud 구름
🌧️ rain 비
❄️ snow 눈
⚡ zap 번개
🔥 fire 불 열정
🌊 ocean 파도 바다`;

const food = `
🍎 apple 사과
🍊 tangerine 귤
🍋 lemon 레몬
🍌 banana 바나나
🍉 watermelon 수박
🍇 grapes 포도
🍓 strawberry 딸기
🍑 peach 복숭아
🍅 tomato 토마토
🌶️ pepper 고추
🥬 greens 채소
🍞 bread 빵
🥐 croissant 크루아상
🧀 cheese 치즈
🍳 egg 달걀
🍔 burger 햄버거
🍟 fries 감자튀김
🍕 pizza 피자
🌭 hotdog 핫도그
🥪 sandwich 샌드위치
🍜 noodles 라면 국수
🍚 rice 밥
🍙 riceball 주먹밥
🍣 sushi 초밥
🍱 bento 도시락
🥘 stew 찌개
🍗 drumstick 치킨
🍰 cake 케이크
🎂 birthday 생일
🍪 cookie 쿠키
🍫 chocolate 초콜릿
🍦 icecream 아이스크림
☕ coffee 커피
🍵 tea 차
🥤 drink 음료
🍺 beer 맥주
🍻 cheers 건배
🍷 wine 와인
🥂 toast 축배`;

const things = `
🎉 tada 축하 폭죽
🎊 confetti 꽃가루
🎁 gift 선물
🏆 trophy 우승
🥇 gold 금메달
⚽ soccer 축구
🏀 basketball 농구
⚾ baseball 야구
🎮 game 게임
🎵 music 음악
🎤 mic 노래
🎧 headphones 헤드폰
🎬 movie 영화
📷 camera 사진
📱 phone 전화
💻 laptop 노트북
⌨️ keyboard 키보드
🖥️ desktop 컴퓨터
🔋 battery 배터리
💡 bulb 아이디어
🔦 flashlight 손전등
📚 books 책
📝 memo 메모
📌 pushpin 고정
📎 clip 클립
✂️ scissors 가위
🔒 lock 잠금
🔑 key 열쇠
🔨 hammer 망치
🔧 wrench 수리
🧪 test 실험
📦 package 상자
📈 chart_up 상승
📉 chart_down 하락
📅 calendar 달력
⏰ alarm 알람
⏳ hourglass 기다림
💰 money 돈
🛒 cart 장보기
🚗 car 차
🚌 bus 버스
🚇 subway 지하철
✈️ plane 비행기
🚀 rocket 로켓 출발
🏠 house 집
🏢 office 회사
🏖️ beach 휴가
⛰️ mountain 산`;

const signs = `
❤️ heart 하트 사랑
🧡 orange_heart 주황
💛 yellow_heart 노랑
💚 green_heart 초록
💙 blue_heart 파랑
💜 purple_heart 보라
🤍 white_heart 하양
🖤 black_heart 검정
💔 broken_heart 이별
💯 hundred 백점
✅ check 완료 확인
☑️ checkbox 체크
❌ x 엑스 아니
⭕ o 동그라미
❗ exclamation 느낌표
❓ question 물음표
⚠️ warning 주의
🚫 prohibited 금지
💬 speech 말풍선
💭 thought 생각
💤 zzz 졸음
💢 anger 분노
💦 sweat 땀
✨ sparkles 반짝
💫 dizzy 어질
🔔 bell 알림
🔕 no_bell 무음
➕ plus 더하기
➖ minus 빼기
♻️ recycle 재활용
🔁 repeat 반복
⬆️ up 위로
⬇️ down 아래로
➡️ right 오른쪽으로
⬅️ left 왼쪽으로
🆗 ok 오케이
🆕 new 새로운
🔴 red 빨강
🟢 green 초록
🔵 blue 파랑`;

function read(lines: string): readonly Emoji[] {
  return lines
    .trim()
    .split("\n")
    .map((line) => {
      const [char = "", ...names] = line.split(" ");
      return { char, names };
    });
}

export const groups: readonly EmojiGroup[] = [
  { title: "emojiFaces", emoji: read(faces) },
  { title: "emojiHands", emoji: read(hands) },
  { title: "emojiNature", emoji: read(nature) },
  { title: "emojiFood", emoji: read(food) },
  { title: "emojiThings", emoji: read(things) },
  { title: "emojiSigns", emoji: read(signs) },
];

export const allEmoji: readonly Emoji[] = groups.flatMap((group) => group.emoji);

/** Emoji whose names fit what was typed, the best first. */
export function findEmoji(query: string, most = 40): readonly Emoji[] {
  const q = query.trim().normalize("NFC").toLowerCase();
  if (q === "") return [];
  const exact: Emoji[] = [];
  const starting: Emoji[] = [];
  const holding: Emoji[] = [];
  for (const emoji of allEmoji) {
    if (emoji.char === q || emoji.names.includes(q)) exact.push(emoji);
    else if (emoji.names.some((name) => name.startsWith(q))) starting.push(emoji);
    else if (emoji.names.some((name) => name.includes(q))) holding.push(emoji);
  }
  return [...exact, ...starting, ...holding].slice(0, most);
}
