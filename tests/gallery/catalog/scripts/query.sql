SELECT n + 1 AS id, language, customer, address, (n * 104729 % 900000 / 100.0)::numeric(12, 2) AS amount
  FROM generate_series(0, :rows::int - 1) AS n
  JOIN (VALUES
        (0, 'Arabic', 'شركة النور للتجارة', 'شارع الملك فهد ١٢، الرياض'),
        (1, 'Hebrew', 'חברת האור בע"מ', 'רחוב הרצל 12, תל אביב'),
        (2, 'Hindi', 'प्रकाश ट्रेडिंग कंपनी', 'महात्मा गांधी मार्ग १२, नई दिल्ली'),
        (3, 'Thai', 'บริษัท แสงสว่าง จำกัด', 'ถนนสุขุมวิท ๑๒ กรุงเทพมหานคร'),
        (4, 'Japanese', '株式会社ひかり商事', '東京都千代田区丸の内一丁目2番3号'),
        (5, 'Korean', '주식회사 빛', '서울특별시 중구 세종대로 12'),
        (6, 'Chinese', '光明贸易有限公司', '上海市浦东新区世纪大道12号'),
        (7, 'Greek', 'Φως Εμπορική Α.Ε.', 'Οδός Ερμού 12, Αθήνα'),
        (8, 'Russian', 'ООО «Свет»', 'улица Тверская, 12, Москва'),
        (9, 'Vietnamese', 'Công ty Ánh Sáng', '12 Đường Nguyễn Huệ, Thành phố Hồ Chí Minh'),
        (10, 'Polish', 'Światło Sp. z o.o.', 'ulica Świętokrzyska 12, Łódź'),
        (11, 'Emoji', 'Light 💡 & Co. ✅', '12 Sunshine Street ☀️, 🇫🇷 Paris')
       ) AS t (key, language, customer, address) ON key = n % 12
 ORDER BY n
